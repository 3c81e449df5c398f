/** `npm run limits`: on the environment's DATABASE_URL and REDIS_URL, else on the local system that runs. */
import { limitsCommand } from "../origin/commands/limits.ts";
import { runLocally } from "./place.ts";

process.exitCode = await runLocally(limitsCommand, "npm run limits --");
