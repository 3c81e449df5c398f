/**
 * An origin's word that it has done nothing for a request, so that even one that must not be done twice may be sent to
 * another origin: a response signature (RFC 9421 §2.4) over the status, the word itself and the request's own
 * signature, which no other attempt has.
 */
import { internalHeaders } from "../../contract/internal-headers.ts";
import { equalInConstantTime } from "../../lib/encoding.ts";
import { LABEL as REQUEST_LABEL } from "./sign.ts";
import type { AsyncSigningKey, SigningKey } from "./signing-keys.ts";

const LABEL = "origin";
/** The word, as a structured Boolean (RFC 9651 §3.3.6). */
export const NOT_EXECUTED = "?1";

const parametersFor = (keyId: string): string =>
  `("@status" "${internalHeaders.notExecuted}" "signature";req);keyid="${keyId}";alg="hmac-sha256";tag="breakwater"`;

const baseFor = (status: number, requestSignature: string, parameters: string): string =>
  `"@status": ${status}\n"${internalHeaders.notExecuted}": ${NOT_EXECUTED}\n` +
  `"signature";req: ${requestSignature}\n"@signature-params": ${parameters}`;

const PREFIX = `${LABEL}=:`;
const SUFFIX = ":";

/** Names of the fields that are for the edge alone. */
export const NOT_EXECUTED_FIELDS = [internalHeaders.notExecuted, "signature", "signature-input"] as const;

/**
 * The fields of the answer.
 *
 * @param field reads a header field of the request
 * @returns undefined where no key is known that the edge would believe
 */
export const signNotExecuted = (
  keys: readonly SigningKey[],
  status: number,
  field: (name: string) => string | null | undefined,
): Readonly<Record<string, string>> | undefined => {
  const signature = field("signature");
  const keyId = /;keyid="([^"]*)"/.exec(field("signature-input") ?? "")?.[1];
  const key = keys.find(({ id }) => id === keyId);
  if (!signature?.startsWith(`${REQUEST_LABEL}=`) || key === undefined) return undefined;
  const parameters = parametersFor(key.id);
  return {
    [internalHeaders.notExecuted]: NOT_EXECUTED,
    "signature-input": `${LABEL}=${parameters}`,
    signature: `${PREFIX}${key.mac(baseFor(status, signature, parameters))}${SUFFIX}`,
  };
};

/**
 * Whether the answer says so, and is believed.
 *
 * @param key the request was signed with
 * @param requestSignature the request's Signature field
 * @param field reads a header field of the answer
 */
export const isNotExecuted = async (
  key: AsyncSigningKey,
  requestSignature: string,
  status: number,
  field: (name: string) => string | null,
): Promise<boolean> => {
  const signature = field("signature");
  const parameters = parametersFor(key.id);
  if (field(internalHeaders.notExecuted) !== NOT_EXECUTED || !signature?.startsWith(PREFIX)) return false;
  if (field("signature-input") !== `${LABEL}=${parameters}` || !signature.endsWith(SUFFIX)) return false;
  const mac = signature.slice(PREFIX.length, -SUFFIX.length);
  return equalInConstantTime(mac, await key.mac(baseFor(status, requestSignature, parameters)));
};
