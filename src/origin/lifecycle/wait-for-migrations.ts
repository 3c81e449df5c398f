/** Prepares the schema before the first request, and waits for a database that is down. */
import { setTimeout as pause } from "node:timers/promises";
import { unboundScope } from "../db/database.ts";
import { isUnavailable, StatementError } from "../db/errors.ts";
import { migrate, pendingMigrations, readMigrations } from "../db/migrate.ts";
import { connectPostgres, type PostgresOptions, type PostgresPool } from "../db/postgres.ts";

const FIRST_PAUSE_MS = 100;
const MAX_PAUSE_MS = 5_000;

/** lock_not_available: requests of the previous version hold the table, and they end. */
const LOCK_TIMED_OUT = "55P03";

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
    const isTemporary =
      isUnavailable(error) || (error instanceof StatementError && error.code === LOCK_TIMED_OUT);
    if (!isTemporary) throw error;
    return { err: error };
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
  const pool = connectPostgres(url, { ...options, maxConnections: 1, minConnections: 0 });
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
