/** `npm run migrate`: on the environment's DATABASE_URL, else on the local system that runs. */
import { unboundScope } from "../origin/data/database.ts";
import { isUnavailable } from "../origin/data/failure.ts";
import { migrate, readMigrations } from "../origin/data/migrate.ts";
import { connectPostgres } from "../origin/data/postgres.ts";
import { createLog } from "../origin/log.ts";
import { readRuntime } from "./runtime.ts";

const fail = (line: string): void => {
  process.stderr.write(`✗ ${line}\n`);
  process.exitCode = 1;
};

const databaseUrl = process.env["DATABASE_URL"] || (await readRuntime())?.databaseUrl;
if (databaseUrl === undefined) {
  fail("no database: start the system first (npm start), or set DATABASE_URL");
} else {
  const pool = connectPostgres(databaseUrl, { maxConnections: 1, log: createLog("silent") });
  try {
    const ran = await migrate(pool.within(unboundScope("migrate")), await readMigrations());
    const lines = ran.length === 0 ? ["nothing to do: the schema is at this program's level"] : ran;
    for (const line of lines) process.stdout.write(`${line}\n`);
  } catch (error) {
    fail(isUnavailable(error) ? "the database cannot be reached" : String(error));
  } finally {
    await pool.close();
  }
}
