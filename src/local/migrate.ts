/** `npm run migrate`: on the environment's DATABASE_URL, else on the local system that runs. */
import { migrateCommand } from "../origin/commands/migrate.ts";
import { processTerminal } from "../origin/commands/terminal.ts";
import { readRuntime } from "./runtime.ts";

const databaseUrl = process.env["DATABASE_URL"] || (await readRuntime())?.databaseUrl;
if (databaseUrl === undefined) {
  processTerminal.fail("no database: start the system first (npm start), or set DATABASE_URL");
  process.exitCode = 1;
} else {
  process.exitCode = await migrateCommand(databaseUrl, processTerminal);
}
