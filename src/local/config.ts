/**
 * `npm run config`: what the origin would run with, from this environment and file, and where each value
 * comes from. With `--markdown`: the table of all keys.
 */
import { describeEntries, describeKeys } from "../origin/configuration/describe.ts";
import { readOriginConfiguration } from "../origin/configuration/read.ts";
import { DEFAULT_FILE, FILE_VARIABLE, readConfigurationFile } from "../origin/configuration/read-file.ts";
import { EXIT } from "../origin/lifecycle/exit-codes.ts";

const say = (text: string): void => void process.stdout.write(`${text}\n`);

const fail = (text: string, exitCode: number): void => {
  process.stderr.write(`✗ ${text}\n`);
  process.exitCode = exitCode;
};

const printInForce = async (): Promise<void> => {
  const file = await readConfigurationFile(process.env);
  const reading = readOriginConfiguration(process.env, file);
  if (!reading.ok) return fail(reading.message, EXIT.configuration);
  const none = `no file (${FILE_VARIABLE} is not set and ${DEFAULT_FILE} is not there)`;
  say(`${file === undefined ? none : `file ${file.path}`}\n`);
  say(describeEntries(reading.entries));
};

const [option, ...others] = process.argv.slice(2);
if (option === undefined) await printInForce();
else if (option === "--markdown" && others.length === 0) say(describeKeys());
else fail("npm run config [-- --markdown]", EXIT.failure);
