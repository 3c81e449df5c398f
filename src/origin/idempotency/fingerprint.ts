/** What a key stands for: the request that it came with first. */
import { createHash } from "node:crypto";

export interface FingerprintParts {
  readonly method: string;
  /** Path and query as they were sent. */
  readonly target: string;
  readonly body: Uint8Array;
}

/** SHA-256 over the whole request as far as the handler sees it, base64. */
export const fingerprint = ({ method, target, body }: FingerprintParts): string =>
  createHash("sha256").update(`${method} ${target}\n`).update(body).digest("base64");

/** The key itself: the draft's quotes do not belong to it. */
export const keyOf = (field: string): string => (field.startsWith('"') ? field.slice(1, -1) : field);

/** A number for the advisory lock of a key: 64 bits of its digest, as PostgreSQL's bigint in decimal. */
export const lockNumber = (principal: string, key: string): string =>
  createHash("sha256")
    .update(JSON.stringify([principal, key]))
    .digest()
    .readBigInt64BE()
    .toString();
