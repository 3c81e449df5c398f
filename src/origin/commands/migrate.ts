/** `migrate`: brings a database to this program's level. */
import { unboundScope } from "../db/database.ts";
import { isUnavailable } from "../db/errors.ts";
import { migrate, readMigrations } from "../db/migrate.ts";
import { connectPostgres } from "../db/postgres.ts";
import { EXIT } from "../lifecycle/exit-codes.ts";
import { createLog } from "../log.ts";
import type { Terminal } from "./terminal.ts";

/** @returns the exit code */
export const migrateCommand = async (databaseUrl: string, { print, fail }: Terminal): Promise<number> => {
  const pool = connectPostgres(databaseUrl, { maxConnections: 1, log: createLog("silent") });
  try {
    const ran = await migrate(pool.within(unboundScope("migrate")), await readMigrations());
    const lines = ran.length === 0 ? ["nothing to do: the schema is at this program's level"] : ran;
    for (const line of lines) print(line);
    return EXIT.stopped;
  } catch (error) {
    fail(isUnavailable(error) ? "the database cannot be reached" : String(error));
    return EXIT.failure;
  } finally {
    await pool.close();
  }
};
