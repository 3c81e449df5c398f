/**
 * Publishes a part of the database to Redis for the edge: one hash, replaced as a whole, with the version of
 * its content. Every change raises the version in the same statement (`withNewVersion`).
 */
import { VERSION_FIELD } from "../../middleware/auth/api-keys.ts";
import type { Database } from "../db/database.ts";
import { logTransitions } from "../lifecycle/jobs.ts";
import type { OriginLog } from "../log/log.ts";
import type { RedisStore } from "../redis/store.ts";

/** A row of `published_snapshots`. */
type SnapshotName = "keys" | "limits" | "blocklist";

export interface Publication {
  readonly name: SnapshotName;
  /** For the log, in the plural: "API keys". */
  readonly title: string;
  readonly hashName: (keyPrefix: string) => string;
  /** Lifetime of the hash after an origin last published or confirmed it, milliseconds. @default unlimited */
  readonly ttlMs?: number;
  /** Differs per publication. With one publisher at a time, an older snapshot never replaces a newer one. */
  readonly lockKey: number;
  /** Version and content, from one statement (`readSnapshot`). No field is named `VERSION_FIELD`. */
  readonly read: (database: Database) => Promise<{
    readonly version: string;
    readonly fields: Readonly<Record<string, string>>;
  }>;
  /** Writes what has to be in Redis before the snapshot. @default nothing */
  readonly prepare?: (database: Database, target: PublishTarget) => Promise<void>;
}

export interface PublishTarget {
  readonly pool: Database;
  readonly redis: Pick<RedisStore, "hashField" | "expire" | "replaceHash" | "evaluate">;
  readonly keyPrefix: string;
}

/** A statement that makes the change, raises the version if a row changed, and returns the changed rows. */
export const withNewVersion = (name: SnapshotName, change: string, moreCtes = ""): string =>
  `WITH changed AS (${change}), raised AS (
     UPDATE published_snapshots SET version = version + 1 WHERE name = '${name}' AND EXISTS (SELECT FROM changed)
   )${moreCtes} SELECT * FROM changed`;

/**
 * Of `published_snapshots s`. A restored database has its epoch back, and may count up to a version that Redis has with other
 * content; so the command `recover` sets another epoch.
 */
const VERSION = "s.epoch || ':' || s.version";

export const readVersion = async (database: Database, name: SnapshotName): Promise<string> => {
  const [row] = await database.query<{ version: string }>(
    `SELECT ${VERSION} AS version FROM published_snapshots s WHERE s.name = $1`,
    [name],
  );
  return row?.version ?? "";
};

interface Snapshot<Row> {
  readonly version: string;
  readonly rows: readonly Row[];
}

/** The rows of a query as JSON, and their version. One statement reads both, so that they match. */
export const readSnapshot = async <Row>(
  database: Database,
  name: SnapshotName,
  query: string,
): Promise<Snapshot<Row>> => {
  const [snapshot] = await database.query<Snapshot<Row>>(
    `SELECT ${VERSION} AS version, (SELECT coalesce(json_agg(r), '[]') FROM (${query}) r) AS rows
     FROM published_snapshots s WHERE s.name = $1`,
    [name],
  );
  return snapshot ?? { version: "", rows: [] };
};

/**
 * Brings Redis up to date.
 *
 * @returns whether anything had to be written
 */
export const publish = async (
  { name, hashName, ttlMs, lockKey, read, prepare }: Publication,
  target: PublishTarget,
): Promise<boolean> => {
  const { pool, redis, keyPrefix } = target;
  const hash = hashName(keyPrefix);
  const publishedVersion = (): Promise<string | null> => redis.hashField(hash, VERSION_FIELD);
  const published = await publishedVersion();
  // Extended before the database is read: while it is down, nothing changes.
  if (ttlMs !== undefined) await redis.expire(hash, ttlMs);
  if (published === (await readVersion(pool, name))) return false;
  await pool.transaction(async (transaction) => {
    await transaction.query("SELECT pg_advisory_xact_lock($1)", [lockKey]);
    const { version, fields } = await read(transaction);
    if ((await publishedVersion()) === version) return;
    await prepare?.(transaction, target);
    await redis.replaceHash(hash, { ...fields, [VERSION_FIELD]: version }, ttlMs);
  });
  return true;
};

/** Work for `startJob`. It logs the first failure and the recovery, not every attempt. */
export const publishJob = (
  publication: Publication,
  target: PublishTarget,
  log: OriginLog,
): (() => Promise<void>) => {
  const state = logTransitions(publication.title, "published", log);
  return () => state.run(() => publish(publication, target));
};
