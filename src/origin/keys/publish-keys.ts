/** Publishes the API keys to Redis, for the edge to read. */
import { publishedKeysName, VERSION_FIELD, writeKeyRecord } from "../../core/security/published-keys.ts";
import type { Database } from "../data/database.ts";
import type { PostgresPool } from "../data/postgres.ts";
import type { RedisStore } from "../data/redis.ts";
import type { OriginLog } from "../log.ts";
import { keySnapshot, keyVersion } from "./key-store.ts";

/** One publisher at a time: an older snapshot never takes a newer one's place. */
const LOCK_KEY = 7_203_419;

const publishLocked = async (connection: Database, redis: RedisStore, name: string): Promise<void> => {
  await connection.query("SELECT pg_advisory_xact_lock($1)", [LOCK_KEY]);
  const { version, records } = await keySnapshot(connection);
  if ((await redis.hashField(name, VERSION_FIELD)) === version) return;
  const fields = Object.fromEntries(records.map((record) => [record.id, writeKeyRecord(record)]));
  await redis.replaceHash(name, { ...fields, [VERSION_FIELD]: version });
};

/**
 * Makes Redis hold the present keys.
 *
 * @returns whether anything had to be written
 */
export const publishKeys = async (
  pool: PostgresPool,
  redis: RedisStore,
  prefix: string,
): Promise<boolean> => {
  const name = publishedKeysName(prefix);
  if ((await redis.hashField(name, VERSION_FIELD)) === (await keyVersion(pool))) return false;
  await pool.transaction((transaction) => publishLocked(transaction, redis, name));
  return true;
};

/** Publishes again and again; a failure is told when it begins and when it ends, not each time. */
export const keyPublisher = (publish: () => Promise<boolean>, log: OriginLog): (() => Promise<void>) => {
  let isFailing = false;
  return async () => {
    try {
      await publish();
      if (isFailing) log.info("the keys are published again");
      isFailing = false;
    } catch (error) {
      if (!isFailing) log.warn({ err: error }, "the keys cannot be published");
      isFailing = true;
    }
  };
};
