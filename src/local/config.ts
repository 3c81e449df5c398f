/**
 * `npm run config`: what the origin would run with, from this environment and file, and where each value
 * comes from. With `--markdown`: the table of all keys.
 */
import { configCommand } from "../origin/commands/config.ts";
import { processTerminal } from "../origin/commands/terminal.ts";
import { describeKeys } from "../origin/config/describe.ts";
import { readOriginConfiguration } from "../origin/config/read.ts";
import { readConfigurationFile } from "../origin/config/read-file.ts";
import { EXIT } from "../origin/lifecycle/exit-codes.ts";

const printInForce = async (): Promise<number> => {
  const file = await readConfigurationFile(process.env);
  return configCommand(readOriginConfiguration(process.env, file), file?.path, processTerminal);
};

const [option, ...others] = process.argv.slice(2);
if (option === undefined) {
  process.exitCode = await printInForce();
} else if (option === "--markdown" && others.length === 0) {
  processTerminal.print(describeKeys());
} else {
  processTerminal.fail("npm run config [-- --markdown]");
  process.exitCode = EXIT.failure;
}
