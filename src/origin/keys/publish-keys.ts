/** Publishes the API keys to Redis, for the edge to read. */
import { publishedKeysName, writeKeyRecord } from "../../middleware/auth/published-keys.ts";
import type { Database } from "../db/database.ts";
import type { PostgresPool } from "../db/postgres.ts";
import type { RedisStore } from "../redis/store.ts";
import { publishSnapshot, type Snapshot } from "../snapshots/publish-snapshot.ts";
import { keySnapshot } from "./key-store.ts";

const LOCK_KEY = 7_203_419;
/**
 * Where no origin can write to Redis, what it holds may have been revoked: from then on the edge asks an origin. As long
 * as two rounds of publishing and a half; with the time for which an isolate believes what it has read, 10 s.
 */
const TTL_MS = 5_000;

const read = async (database: Database): Promise<Snapshot> => {
  const { version, records } = await keySnapshot(database);
  return {
    version,
    fields: Object.fromEntries(records.map((record) => [record.id, writeKeyRecord(record)])),
  };
};

/**
 * Makes Redis hold the present keys.
 *
 * @returns whether anything had to be written
 */
export const publishKeys = (pool: PostgresPool, redis: RedisStore, prefix: string): Promise<boolean> =>
  publishSnapshot(pool, redis, {
    name: "keys",
    hashName: publishedKeysName(prefix),
    lockKey: LOCK_KEY,
    ttlMs: TTL_MS,
    read,
  });
