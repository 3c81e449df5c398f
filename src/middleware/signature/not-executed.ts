/**
 * Proof by an origin that it has not executed a request, so that even an unrepeatable one may be sent to
 * another origin: a response signature (RFC 9421 §2.4) over the status, the field and the signature of the
 * request, which is unique to the attempt.
 */
import { internalHeaders } from "../../contract/internal-headers.ts";
import { equalInConstantTime } from "../../lib/encoding.ts";
import { LABEL as REQUEST_LABEL } from "./sign.ts";
import type { AsyncSigningKey, SigningKey } from "./signing-keys.ts";

const LABEL = "origin";
/** A structured Boolean (RFC 9651 §3.3.6). */
export const NOT_EXECUTED = "?1";

const parametersFor = (keyId: string): string =>
  `("@status" "${internalHeaders.notExecuted}" "signature";req);keyid="${keyId}";alg="hmac-sha256";tag="breakwater"`;

const baseFor = (status: number, requestSignature: string, parameters: string): string =>
  `"@status": ${status}\n"${internalHeaders.notExecuted}": ${NOT_EXECUTED}\n` +
  `"signature";req: ${requestSignature}\n"@signature-params": ${parameters}`;

const PREFIX = `${LABEL}=:`;
const SUFFIX = ":";

/** Fields that the edge removes from the response. */
export const NOT_EXECUTED_FIELDS = [internalHeaders.notExecuted, "signature", "signature-input"] as const;

/**
 * The proof's fields; undefined without the key of the request's signature.
 *
 * @param field reads a header field of the request
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
 * Whether the response has a valid proof.
 *
 * @param key of the request's signature
 * @param requestSignature the request's Signature field
 * @param field reads a header field of the response
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
