/** Publishes the overrides of limits to Redis, where the limiter reads them with every round trip. */
import {
  overrideField,
  publishedOverridesName,
  writeOverride,
} from "../../middleware/rate-limit/limit-key.ts";
import type { Database } from "../data/database.ts";
import type { PostgresPool } from "../data/postgres.ts";
import type { RedisStore } from "../data/redis.ts";
import { publishSnapshot, type Snapshot } from "../snapshots/publish-snapshot.ts";
import { overrideSnapshot } from "./override-store.ts";

const LOCK_KEY = 7_203_420;

const read = async (database: Database): Promise<Snapshot> => {
  const { version, overrides } = await overrideSnapshot(database);
  const fields = overrides.map((override) => [
    overrideField(override.limitName, override.principal),
    writeOverride(override),
  ]);
  return { version, fields: Object.fromEntries(fields) };
};

/**
 * Makes Redis hold the present overrides; where there are none, their version alone.
 *
 * @returns whether anything had to be written
 */
export const publishOverrides = (pool: PostgresPool, redis: RedisStore, prefix: string): Promise<boolean> =>
  publishSnapshot(pool, redis, {
    name: "limits",
    hashName: publishedOverridesName(prefix),
    lockKey: LOCK_KEY,
    read,
  });
