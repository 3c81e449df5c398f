/** `npm run keys`: on the environment's DATABASE_URL and REDIS_URL, else on the local system that runs. */
import { keysCommand } from "../origin/commands/keys.ts";
import { runLocally } from "./place.ts";

process.exitCode = await runLocally(keysCommand, "npm run keys --");
