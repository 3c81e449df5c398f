/** Publishes the blocklist to Redis, compiled, for the edge to read. */
import { compileBlocklist } from "../../middleware/blocklist/compile.ts";
import { publishedBlocklistName, writeParts } from "../../middleware/blocklist/published-blocklist.ts";
import type { Database } from "../db/database.ts";
import type { PostgresPool } from "../db/postgres.ts";
import type { RedisStore } from "../redis/store.ts";
import { publishSnapshot, type Snapshot } from "../snapshots/publish-snapshot.ts";
import { blocklistSnapshot } from "./block-store.ts";

const LOCK_KEY = 7_203_421;
/** Where no origin can write to Redis, what it holds may lack a block: from then on the edge asks an origin. */
const TTL_MS = 5_000;

const read = async (database: Database): Promise<Snapshot> => {
  const { version, entries } = await blocklistSnapshot(database);
  return { version, fields: writeParts(compileBlocklist(entries)) };
};

/**
 * Makes Redis hold the present blocklist.
 *
 * @returns whether anything had to be written
 */
export const publishBlocklist = (pool: PostgresPool, redis: RedisStore, prefix: string): Promise<boolean> =>
  publishSnapshot(pool, redis, {
    name: "blocklist",
    hashName: publishedBlocklistName(prefix),
    lockKey: LOCK_KEY,
    ttlMs: TTL_MS,
    read,
  });
