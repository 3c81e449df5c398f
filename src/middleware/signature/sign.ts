/** Signs a request to the origin (RFC 9421 §3.1), HMAC-SHA256 (§3.3.3). */
import { toBase64 } from "../../lib/encoding.ts";
import {
  COVERED_FIELDS,
  coveredComponents,
  LABEL,
  LIFETIME_S,
  type SignedTarget,
  TAG,
} from "./covered-components.ts";
import { innerList, signatureBase } from "./signature-base.ts";
import type { SigningKey } from "./signing-keys.ts";

export interface SignatureFields {
  readonly signature: string;
  readonly "signature-input": string;
}

/**
 * @param headers the request's fields by lower-case name, as they will be sent
 * @param nowMs epoch milliseconds
 * @param nonce new for each attempt, base64url
 * @param names header fields that are covered where the request has them
 */
export const signRequest = (
  key: SigningKey,
  target: SignedTarget,
  headers: Readonly<Record<string, string>>,
  nowMs: number,
  nonce: string,
  names: readonly string[] = COVERED_FIELDS,
): SignatureFields => {
  const components = coveredComponents(target, (name) => headers[name], names);
  const created = Math.floor(nowMs / 1000);
  const parameters =
    `${innerList(components.map(([name]) => name))};created=${created};expires=${created + LIFETIME_S}` +
    `;nonce="${nonce}";keyid="${key.id}";alg="hmac-sha256";tag="${TAG}"`;
  const mac = key.mac(signatureBase(components, parameters));
  return { "signature-input": `${LABEL}=${parameters}`, signature: `${LABEL}=:${toBase64(mac)}:` };
};
