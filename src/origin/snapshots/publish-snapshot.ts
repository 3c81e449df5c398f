/** Publishes a part of the database to Redis: one hash, replaced whole, with the version that it is of. */
import { VERSION_FIELD } from "../../middleware/auth/published-keys.ts";
import type { Database } from "../db/database.ts";
import type { RedisStore } from "../redis/store.ts";
import { readVersion, type SnapshotName } from "./version.ts";

export interface Snapshot {
  readonly version: string;
  /** The hash's fields. None of them is named as the version's. */
  readonly fields: Readonly<Record<string, string>>;
}

export interface SnapshotKind {
  readonly name: SnapshotName;
  /** The hash's name in Redis. */
  readonly hashName: string;
  /** It is believed for so long after an origin has last looked after it, milliseconds. @default for ever */
  readonly ttlMs?: number;
  /** One publisher at a time: an older snapshot never takes a newer one's place. Any constant of its own. */
  readonly lockKey: number;
  /** One statement reads both, so that they belong together. */
  readonly read: (database: Database) => Promise<Snapshot>;
}

const publishLocked = async (
  connection: Database,
  redis: RedisStore,
  { hashName, lockKey, ttlMs, read }: SnapshotKind,
): Promise<void> => {
  await connection.query("SELECT pg_advisory_xact_lock($1)", [lockKey]);
  const { version, fields } = await read(connection);
  if ((await redis.hashField(hashName, VERSION_FIELD)) === version) return;
  await redis.replaceHash(hashName, { ...fields, [VERSION_FIELD]: version }, ttlMs);
};

/**
 * Makes Redis hold the present snapshot.
 *
 * @returns whether anything had to be written
 */
export const publishSnapshot = async (
  pool: Database,
  redis: RedisStore,
  kind: SnapshotKind,
): Promise<boolean> => {
  const published = await redis.hashField(kind.hashName, VERSION_FIELD);
  // Before the database is asked: while that is away nothing in it changes.
  if (kind.ttlMs !== undefined) await redis.expire(kind.hashName, kind.ttlMs);
  if (published === (await readVersion(pool, kind.name))) return false;
  await pool.transaction((transaction) => publishLocked(transaction, redis, kind));
  return true;
};
