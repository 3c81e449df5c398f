/** `npm run migrate`: migrates the environment's DATABASE_URL, or else the running local system. */
import { processTerminal } from "../origin/admin/cli.ts";
import { runMigrations } from "../origin/admin/commands.ts";
import { readRuntime } from "./state-dir.ts";

const databaseUrl = process.env["DATABASE_URL"] || (await readRuntime())?.databaseUrl;
if (databaseUrl === undefined) {
  processTerminal.fail("no database: start the system first (npm start), or set DATABASE_URL");
  process.exitCode = 1;
} else {
  process.exitCode = await runMigrations(databaseUrl, processTerminal);
}
