import { toBase64 } from "../../lib/encoding.ts";

/** The Content-Digest field of a body (RFC 9530 §2), SHA-256. */
export const contentDigest = async (body: Uint8Array<ArrayBuffer>): Promise<string> =>
  `sha-256=:${toBase64(new Uint8Array(await crypto.subtle.digest("SHA-256", body)))}:`;
