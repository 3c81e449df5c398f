/** Where the commands of this folder work: on what the environment names, else on the local system that runs. */
import type { Place, PlaceCommand } from "../origin/commands/at-place.ts";
import { processTerminal } from "../origin/commands/terminal.ts";
import { EXIT } from "../origin/lifecycle/exit-codes.ts";
import { readRuntime } from "./runtime.ts";

/** Undefined where neither is there. */
const readPlace = async (): Promise<Place | undefined> => {
  const { DATABASE_URL, REDIS_URL, REDIS_TOKEN, REDIS_KEY_PREFIX } = process.env;
  const runtime = DATABASE_URL ? undefined : await readRuntime();
  const databaseUrl = DATABASE_URL || runtime?.databaseUrl;
  const redisUrl = DATABASE_URL ? REDIS_URL : runtime?.redisUrl;
  if (databaseUrl === undefined || redisUrl === undefined) return undefined;
  return {
    databaseUrl,
    redisUrl,
    redisToken: runtime?.redisToken ?? REDIS_TOKEN,
    keyPrefix: (runtime === undefined ? REDIS_KEY_PREFIX : undefined) || "breakwater:",
  };
};

/**
 * Runs it there, with this process's own words.
 *
 * @param call how the command is called, for its usage: `npm run keys --`
 * @returns the exit code
 */
export const runLocally = async (command: PlaceCommand, call: string): Promise<number> => {
  const place = await readPlace();
  if (place !== undefined) return await command(place, process.argv.slice(2), processTerminal, call);
  processTerminal.fail("no database: start the system first (npm start), or set DATABASE_URL and REDIS_URL");
  return EXIT.failure;
};
