/** What has to be done before the first request: the schema. A database that is away is waited for. */
import { setTimeout as pause } from "node:timers/promises";
import { migrate } from "./data/migrate.ts";
import { connectPostgres, type PostgresPool } from "./data/postgres.ts";
import { isUnavailable } from "./data/unavailable.ts";
import type { OriginLog } from "./log.ts";

const FIRST_PAUSE_MS = 100;
const LONGEST_PAUSE_MS = 5_000;

/** @throws what cannot be mended by waiting, and the signal's reason */
export const prepareDatabase = async (url: string, log: OriginLog, signal: AbortSignal): Promise<void> => {
  // A connection of its own: a migration may take longer than any request would wait.
  const pool = connectPostgres(url, { maxConnections: 1, log, queryTimeoutMs: 0 });
  try {
    await untilMigrated(pool, log, signal);
  } finally {
    await pool.close();
  }
};

const untilMigrated = async (pool: PostgresPool, log: OriginLog, signal: AbortSignal): Promise<void> => {
  for (let pauseMs = FIRST_PAUSE_MS; ; pauseMs = Math.min(2 * pauseMs, LONGEST_PAUSE_MS)) {
    try {
      const migrations = await migrate(pool);
      if (migrations.length > 0) log.info({ migrations }, "migrated");
      return;
    } catch (error) {
      if (!isUnavailable(error)) throw error;
      log.warn({ err: error, retryInMs: pauseMs }, "waiting for the database");
    }
    await pause(pauseMs, undefined, { signal });
  }
};
