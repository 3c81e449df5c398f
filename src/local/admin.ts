/**
 * `npm run keys|limits|block|unblock`: an admin command for the environment's DATABASE_URL and REDIS_URL, or else for the
 * running local system.
 */
import { type ConnectionTarget, processTerminal, runCommand } from "../origin/admin/cli.ts";
import { findAdminCommand } from "../origin/admin/commands.ts";
import { EXIT } from "../origin/lifecycle/exit.ts";
import { readRuntime } from "./state-dir.ts";

const readTarget = async (): Promise<ConnectionTarget | undefined> => {
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

const fail = (reason: string): number => {
  processTerminal.fail(reason);
  return EXIT.failure;
};

const run = async ([name = "", ...args]: string[]): Promise<number> => {
  const command = findAdminCommand(name);
  if (command === undefined) return fail(`unknown command: ${name}`);
  const target = await readTarget();
  if (target === undefined)
    return fail("no database: start the system first (npm start), or set DATABASE_URL and REDIS_URL");
  return await runCommand(command, `npm run ${name} --`, args, target, processTerminal);
};

process.exitCode = await run(process.argv.slice(2));
