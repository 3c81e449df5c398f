/**
 * `npm run keys|limits|block|unblock|migrate|recover`: for the running local system, or with `--external` for the environment's
 * DATABASE_URL and REDIS_URL. `npm run config`: prints the origin's configuration in this environment with the source of
 * each value, or with `--markdown` the table of all keys.
 */

import { useOwnEnvironment } from "../local/environment.ts";
import { LocalError } from "../local/local-error.ts";
import { readTarget } from "../local/target.ts";
import { processTerminal, runCommand } from "../origin/admin/cli.ts";
import { adminCommands, printConfiguration, runMigrations } from "../origin/admin/commands.ts";
import { readConfigurationFile } from "../origin/config/file.ts";
import { describeKeys } from "../origin/config/print.ts";
import { readOriginConfiguration } from "../origin/config/read.ts";
import { EXIT } from "../origin/lifecycle/exit.ts";

const EXTERNAL = "--external";

const printConfig = async (option: string | undefined): Promise<number> => {
  if (option === "--markdown") {
    processTerminal.print(describeKeys());
    return EXIT.stopped;
  }
  if (option !== undefined) throw new LocalError("npm run config [-- --markdown]");
  processTerminal.note(
    "an origin in this shell's environment; the local system of npm start does not use it",
  );
  const file = await readConfigurationFile(process.env);
  return printConfiguration(readOriginConfiguration(process.env, file), file?.path, processTerminal);
};

/** @throws LocalError */
const run = async ([name = "", ...words]: string[]): Promise<number> => {
  if (name === "config") return await printConfig(words[0]);
  const command = adminCommands.get(name);
  if (command === undefined && name !== "migrate") throw new LocalError(`unknown command: ${name}`);
  const args = words.filter((word) => word !== EXTERNAL);
  const isExternal = args.length < words.length;
  const { name: system, databaseUrl, redisUrl, redisToken, keyPrefix } = await readTarget(isExternal);
  processTerminal.note(system);
  if (command === undefined) return await runMigrations(databaseUrl, processTerminal);
  if (redisUrl === undefined) throw new LocalError(`${EXTERNAL}: REDIS_URL is missing`);
  const call = `npm run ${name} --${isExternal ? ` ${EXTERNAL}` : ""}`;
  const target = { databaseUrl, redisUrl, redisToken, keyPrefix };
  return await runCommand(command, call, args, target, processTerminal);
};

useOwnEnvironment();
try {
  process.exitCode = await run(process.argv.slice(2));
} catch (error) {
  if (!(error instanceof LocalError)) throw error;
  processTerminal.fail(error.message);
  process.exitCode = EXIT.failure;
}
