/** Publishes the valid API keys. */
import { publishedKeysName, writeKeyRecord } from "../../../middleware/auth/api-keys.ts";
import type { Publication } from "../publish.ts";
import { keySnapshot } from "./store.ts";

/**
 * If no origin can reach Redis, published keys may have been revoked; once they expire, the edge asks an origin. The TTL
 * spans two and a half rounds of publishing; together with an isolate's cache a revocation takes at most 10 s.
 */
const TTL_MS = 5_000;

export const keysPublication: Publication = {
  name: "keys",
  title: "API keys",
  hashName: publishedKeysName,
  ttlMs: TTL_MS,
  lockKey: 7_203_419,
  read: async (database) => {
    const { version, rows } = await keySnapshot(database);
    return { version, fields: Object.fromEntries(rows.map((key) => [key.id, writeKeyRecord(key)])) };
  },
};
