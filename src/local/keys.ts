/** `npm run keys`: on the environment's DATABASE_URL and REDIS_URL, else on the local system that runs. */
import { keysCommand } from "../origin/commands/keys.ts";
import { processTerminal } from "../origin/commands/terminal.ts";
import { readRuntime } from "./runtime.ts";

const { DATABASE_URL, REDIS_URL, REDIS_TOKEN, REDIS_KEY_PREFIX } = process.env;
const runtime = DATABASE_URL ? undefined : await readRuntime();
const databaseUrl = DATABASE_URL || runtime?.databaseUrl;
const redisUrl = DATABASE_URL ? REDIS_URL : runtime?.redisUrl;
if (databaseUrl === undefined || redisUrl === undefined) {
  processTerminal.fail("no database: start the system first (npm start), or set DATABASE_URL and REDIS_URL");
  process.exitCode = 1;
} else {
  const place = {
    databaseUrl,
    redisUrl,
    redisToken: runtime?.redisToken ?? REDIS_TOKEN,
    keyPrefix: (runtime === undefined ? REDIS_KEY_PREFIX : undefined) || "breakwater:",
  };
  process.exitCode = await keysCommand(place, process.argv.slice(2), processTerminal, "npm run keys --");
}
