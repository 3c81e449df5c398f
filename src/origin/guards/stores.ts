/** The stores of the shared guards at an origin that guards itself. */
import {
  type KeyLookup,
  publishedKeysName,
  readKeyRecord,
  VERSION_FIELD,
} from "../../middleware/auth/api-keys.ts";
import { readBlocklist } from "../../middleware/blocklist/blocklist.ts";
import type { LoadBlocklist } from "../../middleware/blocklist/snapshot.ts";
import { createRedisLimitStore, type LimitStore } from "../../middleware/rate-limit/limit-store.ts";
import { compiledBlocklist } from "../admin/blocklist/store.ts";
import { findKey } from "../admin/keys.ts";
import { timedScope } from "../db/database.ts";
import type { PostgresPool } from "../db/postgres.ts";
import type { RedisStore } from "../redis/store.ts";

const BLOCKLIST_TIMEOUT_MS = 5_000;

/** The blocklist, compiled from the database. */
export const originBlocklistSource = (database: PostgresPool): LoadBlocklist => {
  const compiled = compiledBlocklist();
  return async (current) => {
    const scope = timedScope("guard_blocklist", BLOCKLIST_TIMEOUT_MS, true);
    const { version, bytes } = await compiled(database.within(scope));
    if (version === current?.version) return current;
    const list = readBlocklist(bytes);
    if (list === undefined) throw new Error("the compiled blocklist is not readable");
    return { version, list };
  };
};

/** A request waits for the database at most this long, milliseconds. */
const KEY_TIMEOUT_MS = 1_000;

/** API keys from the database, or as they were published last while it is down. */
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
      const record = await findKey(database.within(timedScope("guard_key", KEY_TIMEOUT_MS, true)), id);
      return record === undefined ? { kind: "unknown" } : { kind: "found", record };
    } catch {
      return await fromSnapshot(id, c).catch(() => ({ kind: "unavailable" as const }));
    }
  };
};

/** The limiter's store. */
export const limitStoreOf = (redis: RedisStore, keyPrefix: string): LimitStore =>
  createRedisLimitStore({
    keyPrefix,
    run: (command, script, keys, values) =>
      command === "EVAL" ? redis.evaluate(script, keys, values) : redis.evaluateKnown(script, keys, values),
  });
