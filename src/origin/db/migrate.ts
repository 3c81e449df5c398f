/**
 * Forward-only migrations: SQL files, each run once, in the order of their names. They run in one transaction under an
 * advisory lock, so any number of processes may start at the same time. A file that begins with OUTSIDE runs by itself.
 */
import { createHash } from "node:crypto";
import { readdir, readFile } from "node:fs/promises";
import { join } from "node:path";
import { setTimeout as pause } from "node:timers/promises";
import { fileURLToPath } from "node:url";
import { migrationsFolder } from "#api/origin/migrations.ts";
import { type Database, type Transaction, unboundScope } from "./database.ts";
import { isConcurrencyFailure, isInFailedTransaction, isUnavailable, StatementError } from "./errors.ts";
import { connectPostgres, type PostgresOptions, type PostgresPool } from "./postgres.ts";

/** A constant that no other advisory lock of this database uses. */
const LOCK_KEY = 7_203_418;
/** A migration that waits longer for a lock would block every request behind it, milliseconds. */
const LOCK_TIMEOUT_MS = 5_000;

/** How long a process waits before it asks for the lock again, milliseconds. */
const BUSY_PAUSE_MS = 200;
/** First line of a file with one statement that no transaction allows, such as CREATE INDEX CONCURRENTLY. */
const OUTSIDE = "-- outside a transaction";

/** The platform's migrations run before the API's. The container image has the same layout beside the bundle. */
const FOLDERS = [
  { name: "platform", url: new URL("../db/migrations/", import.meta.url) },
  { name: "api", url: migrationsFolder },
];

export interface Migration {
  /** Such as `api/0001-shop`. */
  readonly name: string;
  readonly sql: string;
  readonly checksum: string;
}

export const readMigrations = async (from = FOLDERS): Promise<Migration[]> => {
  const folders = from.map(async ({ name, url }) => {
    const folder = fileURLToPath(url);
    const files = (await readdir(folder)).filter((file) => file.endsWith(".sql")).sort();
    return await Promise.all(
      files.map(async (file) => {
        // A checkout on Windows, or an editor there, may change both.
        const sql = (await readFile(join(folder, file), "utf8"))
          .replace(/^\ufeff/, "")
          .replaceAll("\r\n", "\n");
        const checksum = createHash("sha256").update(sql).digest("hex");
        return { name: `${name}/${file.slice(0, -".sql".length)}`, sql, checksum };
      }),
    );
  });
  return (await Promise.all(folders)).flat();
};

/** The checksums of the migrations that have run, by name. */
const readDone = async (database: Database): Promise<ReadonlyMap<string, string>> => {
  const text = "SELECT name, checksum FROM schema_migrations";
  const rows = await database.query<{ name: string; checksum: string }>(text);
  return new Map(rows.map(({ name, checksum }) => [name, checksum]));
};

/** lock_not_available: requests of the previous version hold the table, and they end. */
const LOCK_TIMED_OUT = "55P03";

/** Names the file of a wrong statement; other errors end, or repeat, the whole. */
const migrationError = (name: string, error: unknown): unknown => {
  const isTemporary = isConcurrencyFailure(error) || isInFailedTransaction(error);
  if (!(error instanceof StatementError) || isTemporary || error.code === LOCK_TIMED_OUT) return error;
  return new Error(`migration ${name} failed: ${error.message}`, { cause: error });
};

const isOutside = ({ sql }: Migration): boolean => sql.startsWith(OUTSIDE);

/** An index that could not be completed stays, invalid: it costs each write, and its name is taken. */
const dropInvalidIndexes = async (database: Database, sql: string): Promise<void> => {
  const text = `SELECT relname AS name, indexrelid::regclass::text AS quoted
    FROM pg_index JOIN pg_class ON pg_class.oid = indexrelid WHERE NOT indisvalid`;
  for (const { name, quoted } of await database.query<{ name: string; quoted: string }>(text))
    if (sql.includes(name))
      await database.query(`DROP INDEX CONCURRENTLY IF EXISTS ${quoted}`, [], { outsideTransaction: true });
};

/** The next migrations that share a transaction, or the next one that runs outside of it. */
const nextOf = (pending: readonly Migration[]): readonly Migration[] => {
  const first = pending.findIndex(isOutside);
  return first === -1 ? pending : pending.slice(0, Math.max(first, 1));
};

/**
 * @param database runs what the transaction, which holds the lock, must not
 * @returns the names of those that ran; undefined if another process migrates
 */
const runNext = async (
  transaction: Transaction,
  database: Database,
  migrations: readonly Migration[],
): Promise<string[] | undefined> => {
  // No process waits inside a statement: CREATE INDEX CONCURRENTLY of the one with the lock would wait for it.
  const lock = "SELECT pg_try_advisory_xact_lock($1) AS locked";
  const [taken] = await transaction.query<{ locked: boolean }>(lock, [LOCK_KEY]);
  if (taken?.locked !== true) return undefined;
  await transaction.query("SELECT set_config('lock_timeout', $1, true)", [String(LOCK_TIMEOUT_MS)]);
  await transaction.query(
    `CREATE TABLE IF NOT EXISTS schema_migrations
       (name text PRIMARY KEY, checksum text NOT NULL, run_at timestamptz NOT NULL DEFAULT now())`,
  );
  const done = await readDone(transaction);
  const edited = migrations.find(({ name, checksum }) => (done.get(name) ?? checksum) !== checksum);
  if (edited !== undefined)
    throw new Error(
      `migration ${edited.name} was changed after it had run: restore it and add another file (locally, --fresh erases the data)`,
    );
  const next = nextOf(migrations.filter(({ name }) => !done.has(name)));
  for (const migration of next) {
    const { name, sql, checksum } = migration;
    try {
      if (isOutside(migration)) {
        // Ends the snapshot of the query before, which CREATE INDEX CONCURRENTLY would wait for.
        await transaction.script("SELECT 1");
        await dropInvalidIndexes(database, sql);
        await database.query(sql, [], { outsideTransaction: true });
      } else await transaction.script(sql);
    } catch (error) {
      throw migrationError(name, error);
    }
    const record = "INSERT INTO schema_migrations (name, checksum) VALUES ($1, $2)";
    await transaction.query(record, [name, checksum]);
  }
  return next.map(({ name }) => name);
};

/**
 * Runs the migrations that have not run yet, and waits while another process does.
 *
 * @param database has two connections
 * @returns their names, in order
 * @throws if a migration was edited after it had run, or the database's error; nothing has changed then, unless a
 *   migration outside a transaction has run before
 */
export const migrate = async (database: Database, migrations: readonly Migration[]): Promise<string[]> => {
  const ran: string[] = [];
  for (;;) {
    const next = await database.transaction((transaction) => runNext(transaction, database, migrations));
    if (next === undefined) await pause(BUSY_PAUSE_MS);
    else if (next.length === 0) return ran;
    else ran.push(...next);
  }
};

export const pendingMigrations = async (
  database: Database,
  migrations: readonly Migration[],
): Promise<string[]> => {
  const text = "SELECT to_regclass('schema_migrations') IS NOT NULL AS exists";
  const [table] = await database.query<{ exists: boolean }>(text);
  const done = table?.exists === true ? await readDone(database) : new Map<string, string>();
  return migrations.map(({ name }) => name).filter((name) => !done.has(name));
};

const FIRST_PAUSE_MS = 100;
const MAX_PAUSE_MS = 5_000;

interface MigrationOptions extends PostgresOptions {
  /** Whether this process migrates, or waits until another one has. */
  readonly migrate: "at-start" | "apart";
  readonly signal: AbortSignal;
}

/** @returns a reason to wait, for the log; undefined if the schema is up to date */
const reasonToWait = async (
  pool: PostgresPool,
  { migrate: mode, log }: MigrationOptions,
): Promise<object | undefined> => {
  const database = pool.within(unboundScope("migrations"));
  const migrations = await readMigrations();
  try {
    if (mode === "apart") {
      const pending = await pendingMigrations(database, migrations);
      return pending.length === 0 ? undefined : { pending };
    }
    const applied = await migrate(database, migrations);
    if (applied.length > 0) log.info({ migrations: applied }, "migrated");
    return undefined;
  } catch (error) {
    const isLocked = error instanceof StatementError && error.code === LOCK_TIMED_OUT;
    if (isUnavailable(error) || isLocked) return { err: error };
    throw error;
  }
};

/**
 * Resolves when the schema is up to date. Never settles after the signal has aborted: a process that stops is neither ready
 * nor failed.
 *
 * @throws errors that waiting does not resolve
 */
export const waitForMigrations = async (url: string, options: MigrationOptions): Promise<void> => {
  const { signal, log } = options;
  // Its own connection, because a migration may take longer than any request may wait.
  const pool = connectPostgres(url, { ...options, maxConnections: 2, minConnections: 0 });
  try {
    for (let pauseMs = FIRST_PAUSE_MS; ; pauseMs = Math.min(2 * pauseMs, MAX_PAUSE_MS)) {
      const reason = await reasonToWait(pool, options);
      if (reason === undefined) break;
      const message = "pending" in reason ? "waiting for migrations" : "waiting for the database";
      log.warn({ ...reason, retryInMs: pauseMs }, message);
      await pause(pauseMs, undefined, { signal });
    }
  } catch (error) {
    if (!signal.aborted) throw error;
  } finally {
    await pool.close();
  }
  if (signal.aborted) await new Promise(() => undefined);
};
