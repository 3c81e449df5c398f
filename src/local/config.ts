/**
 * `npm run config`: prints the origin's configuration in this environment with the source of each value, or with
 * `--markdown` the table of all keys.
 */
import { processTerminal } from "../origin/admin/cli.ts";
import { printConfiguration } from "../origin/admin/commands.ts";
import { readConfigurationFile } from "../origin/config/file.ts";
import { describeKeys } from "../origin/config/print.ts";
import { readOriginConfiguration } from "../origin/config/read.ts";
import { EXIT } from "../origin/lifecycle/exit.ts";

const printCurrent = async (): Promise<number> => {
  const file = await readConfigurationFile(process.env);
  return printConfiguration(readOriginConfiguration(process.env, file), file?.path, processTerminal);
};

const [option, ...others] = process.argv.slice(2);
if (option === undefined) {
  process.exitCode = await printCurrent();
} else if (option === "--markdown" && others.length === 0) {
  processTerminal.print(describeKeys());
} else {
  processTerminal.fail("npm run config [-- --markdown]");
  process.exitCode = EXIT.failure;
}
