/**
 * `npm run keys|limits|block|unblock|migrate`: for the environment's DATABASE_URL and REDIS_URL, or else for the running
 * local system. `npm run config`: prints the origin's configuration in this environment with the source of each value, or
 * with `--markdown` the table of all keys.
 */
import { processTerminal, runCommand } from "../origin/admin/cli.ts";
import { findAdminCommand, printConfiguration, runMigrations } from "../origin/admin/commands.ts";
import { readConfigurationFile } from "../origin/config/file.ts";
import { describeKeys } from "../origin/config/print.ts";
import { readOriginConfiguration } from "../origin/config/read.ts";
import { EXIT } from "../origin/lifecycle/exit.ts";
import { runtimeFile } from "./state-dir.ts";

const readTarget = async () => {
  const { DATABASE_URL, REDIS_URL, REDIS_TOKEN, REDIS_KEY_PREFIX } = process.env;
  const runtime = DATABASE_URL ? undefined : await runtimeFile.read();
  if (runtime !== undefined) return { ...runtime, keyPrefix: "breakwater:" };
  return {
    databaseUrl: DATABASE_URL || undefined,
    redisUrl: REDIS_URL,
    redisToken: REDIS_TOKEN,
    keyPrefix: REDIS_KEY_PREFIX || "breakwater:",
  };
};

const fail = (reason: string): number => {
  processTerminal.fail(reason);
  return EXIT.failure;
};

const printConfig = async (option: string | undefined): Promise<number> => {
  if (option === "--markdown") {
    processTerminal.print(describeKeys());
    return EXIT.stopped;
  }
  if (option !== undefined) return fail("npm run config [-- --markdown]");
  const file = await readConfigurationFile(process.env);
  return printConfiguration(readOriginConfiguration(process.env, file), file?.path, processTerminal);
};

const run = async ([name = "", ...args]: string[]): Promise<number> => {
  if (name === "config") return await printConfig(args[0]);
  const { databaseUrl, redisUrl, redisToken, keyPrefix } = await readTarget();
  const remedy = "no database: start the system first (npm start), or set DATABASE_URL";
  if (name === "migrate") {
    return databaseUrl === undefined ? fail(remedy) : await runMigrations(databaseUrl, processTerminal);
  }
  const command = findAdminCommand(name);
  if (command === undefined) return fail(`unknown command: ${name}`);
  if (databaseUrl === undefined || redisUrl === undefined) return fail(`${remedy} and REDIS_URL`);
  const target = { databaseUrl, redisUrl, redisToken, keyPrefix };
  return await runCommand(command, `npm run ${name} --`, args, target, processTerminal);
};

process.exitCode = await run(process.argv.slice(2));
