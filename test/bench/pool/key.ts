/** The API key that requests with an Idempotency-Key carry: the same in every run, as nothing is behind it. */
import { createKey, writeKeyRecord } from "../../../src/middleware/auth/api-keys.ts";

const { id, key, hash } = createKey((bytes) => bytes.fill(7));

export const API_KEY = key;
export const KEY_RECORD = writeKeyRecord({
  id,
  hash,
  principal: "bench",
  scopes: ["orders:write"],
  expiresAtMs: null,
});
