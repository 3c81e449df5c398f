/** API keys for the guards of an origin: from the database, or, while that does not answer, as they were published last. */
import type { KeyLookup } from "../../middleware/auth/key-lookup.ts";
import { publishedKeysName, readKeyRecord, VERSION_FIELD } from "../../middleware/auth/published-keys.ts";
import { timedScope } from "../db/database.ts";
import type { PostgresPool } from "../db/postgres.ts";
import type { RedisStore } from "../redis/store.ts";
import { findKey } from "../keys/key-store.ts";

/** Longer than this no request waits for the database to say whose a key is. */
const TIMEOUT_MS = 1_000;

export const ownKeyLookup = (database: PostgresPool, redis: RedisStore, keyPrefix: string): KeyLookup => {
  const name = publishedKeysName(keyPrefix);

  const published: KeyLookup = async (id) => {
    const [version, text] = await Promise.all([
      redis.hashField(name, VERSION_FIELD),
      redis.hashField(name, id),
    ]);
    if (!version) return { kind: "unavailable" };
    const record = readKeyRecord(id, text ?? "");
    return record === undefined ? { kind: "unknown" } : { kind: "found", record };
  };

  return async (id, exchange) => {
    try {
      const record = await findKey(database.within(timedScope("guard_key", TIMEOUT_MS, true)), id);
      return record === undefined ? { kind: "unknown" } : { kind: "found", record };
    } catch {
      return await published(id, exchange).catch(() => ({ kind: "unavailable" as const }));
    }
  };
};
