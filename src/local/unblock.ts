/** `npm run unblock`: on the environment's DATABASE_URL and REDIS_URL, else on the local system that runs. */
import { unblockCommand } from "../origin/commands/block.ts";
import { runLocally } from "./place.ts";

process.exitCode = await runLocally(unblockCommand, "npm run unblock --");
