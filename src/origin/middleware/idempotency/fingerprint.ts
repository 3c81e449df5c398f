/** The fingerprint of a request, by which a reused key is recognized. */
import { createHash } from "node:crypto";

export interface FingerprintParts {
  readonly method: string;
  /** Path and query, exactly as sent. */
  readonly target: string;
  readonly body: Uint8Array;
}

/** SHA-256 over everything that the handler sees, base64. */
export const fingerprint = ({ method, target, body }: FingerprintParts): string =>
  createHash("sha256").update(`${method} ${target}\n`).update(body).digest("base64");

/** The key without the draft's quotes. */
export const keyOf = (field: string): string => (field.startsWith('"') ? field.slice(1, -1) : field);

/** The number of a key's advisory lock: 64 bits of its digest, as PostgreSQL's bigint in decimal. */
export const lockNumber = (principal: string, key: string): string =>
  createHash("sha256")
    .update(JSON.stringify([principal, key]))
    .digest()
    .readBigInt64BE()
    .toString();
