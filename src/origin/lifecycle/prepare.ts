/** What has to be done before the first request: the schema. A database that is away is waited for. */
import { setTimeout as pause } from "node:timers/promises";
import { unboundScope } from "../db/database.ts";
import { isUnavailable, StatementError } from "../db/errors.ts";
import { migrate, pendingMigrations, readMigrations } from "../db/migrate.ts";
import { connectPostgres, type PostgresOptions, type PostgresPool } from "../db/postgres.ts";

const FIRST_PAUSE_MS = 100;
const LONGEST_PAUSE_MS = 5_000;

/** lock_not_available: requests of the level before hold the table; they end. */
const LOCK_TIMED_OUT = "55P03";

export interface PrepareOptions extends PostgresOptions {
  /** Whether this process migrates, or waits until something else has. */
  readonly migrate: "at-start" | "apart";
  /** Ends the waiting; nothing is told afterwards. */
  readonly signal: AbortSignal;
}

const never = (): Promise<never> => new Promise(() => undefined);

/**
 * Settles no more once the signal has aborted: who ends is neither ready nor failed.
 *
 * @throws what cannot be mended by waiting
 */
export const prepareDatabase = async (url: string, options: PrepareOptions): Promise<void> => {
  // A connection of its own: a migration may take longer than any request would wait.
  const pool = connectPostgres(url, { ...options, maxConnections: 1, minConnections: 0 });
  try {
    await untilMigrated(pool, options);
  } catch (error) {
    if (!options.signal.aborted) throw error;
  } finally {
    await pool.close();
  }
  if (options.signal.aborted) await never();
};

/** What keeps the schema from being at this program's level; undefined where it is. */
const reasonToWait = async (
  pool: PostgresPool,
  { migrate: mode, log }: PrepareOptions,
): Promise<object | undefined> => {
  const database = pool.within(unboundScope("migrations"));
  const migrations = await readMigrations();
  try {
    if (mode === "apart") {
      const pending = await pendingMigrations(database, migrations);
      return pending.length === 0 ? undefined : { pending };
    }
    const ran = await migrate(database, migrations);
    if (ran.length > 0) log.info({ migrations: ran }, "migrated");
    return undefined;
  } catch (error) {
    const isWaitable =
      isUnavailable(error) || (error instanceof StatementError && error.code === LOCK_TIMED_OUT);
    if (!isWaitable) throw error;
    return { err: error };
  }
};

const untilMigrated = async (pool: PostgresPool, options: PrepareOptions): Promise<void> => {
  for (let pauseMs = FIRST_PAUSE_MS; ; pauseMs = Math.min(2 * pauseMs, LONGEST_PAUSE_MS)) {
    const reason = await reasonToWait(pool, options);
    if (reason === undefined) return;
    const what = "pending" in reason ? "waiting for migrations" : "waiting for the database";
    options.log.warn({ ...reason, retryInMs: pauseMs }, what);
    await pause(pauseMs, undefined, { signal: options.signal });
  }
};
