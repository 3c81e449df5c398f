/** API keys for an origin that guards itself: from the database, or as they were published last while it is down. */
import type { KeyLookup } from "../../middleware/auth/api-keys.ts";
import { publishedKeysName, readKeyRecord, VERSION_FIELD } from "../../middleware/auth/published-keys.ts";
import { findKey } from "../admin/keys.ts";
import { timedScope } from "../db/database.ts";
import type { PostgresPool } from "../db/postgres.ts";
import type { RedisStore } from "../redis/store.ts";

/** A request waits for the database at most this long, milliseconds. */
const TIMEOUT_MS = 1_000;

export const originKeyLookup = (database: PostgresPool, redis: RedisStore, keyPrefix: string): KeyLookup => {
  const name = publishedKeysName(keyPrefix);

  const fromSnapshot: KeyLookup = async (id) => {
    const [version, text] = await Promise.all([
      redis.hashField(name, VERSION_FIELD),
      redis.hashField(name, id),
    ]);
    if (!version) return { kind: "unavailable" };
    const record = readKeyRecord(id, text ?? "");
    return record === undefined ? { kind: "unknown" } : { kind: "found", record };
  };

  return async (id, c) => {
    try {
      const record = await findKey(database.within(timedScope("guard_key", TIMEOUT_MS, true)), id);
      return record === undefined ? { kind: "unknown" } : { kind: "found", record };
    } catch {
      return await fromSnapshot(id, c).catch(() => ({ kind: "unavailable" as const }));
    }
  };
};
