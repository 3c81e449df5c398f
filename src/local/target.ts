/** The system that a local command works on. */
import { relative } from "node:path";
import { line, optional, readConfiguration, secretLine, withDefault } from "../lib/variables.ts";
import { databaseName, databaseUrl, redisUrl } from "../origin/config/urls.ts";
import { LocalError } from "./local-error.ts";
import { lockOwner } from "./lock.ts";
import { projectFolder, runtimeFile, stateDir } from "./state-dir.ts";

export interface Target {
  /** For the user, without secrets. */
  readonly name: string;
  readonly databaseUrl: string;
  readonly redisUrl: string | undefined;
  readonly redisToken: string | undefined;
  readonly keyPrefix: string;
}

const KEY_PREFIX = "breakwater:";

const variables = {
  DATABASE_URL: databaseUrl,
  REDIS_URL: optional(redisUrl),
  REDIS_TOKEN: optional(secretLine),
  REDIS_KEY_PREFIX: withDefault(line, KEY_PREFIX),
};

/** @throws LocalError that names the wrong variables */
export const readEnvironment = (): Target => {
  const reading = readConfiguration(variables, process.env);
  if (!reading.ok) throw new LocalError(`--external: ${reading.faults.join("; ")}`);
  const { DATABASE_URL, REDIS_URL, REDIS_TOKEN, REDIS_KEY_PREFIX } = reading.value;
  return {
    name: `database ${databaseName(DATABASE_URL)} from DATABASE_URL`,
    databaseUrl: DATABASE_URL,
    redisUrl: REDIS_URL,
    redisToken: REDIS_TOKEN,
    keyPrefix: REDIS_KEY_PREFIX,
  };
};

const folder = relative(projectFolder, stateDir);
const place = folder.startsWith("..") ? stateDir : folder;

/** The addresses of the running local system. @throws LocalError if none runs */
export const readRuntime = async (remedy = "start it (npm start)") => {
  const runtime = (await lockOwner()) === undefined ? undefined : await runtimeFile.read();
  if (runtime === undefined) throw new LocalError(`no local system runs in ${place}: ${remedy}`);
  return runtime;
};

/**
 * Without `--external`, the shell's DATABASE_URL does not count, as for `npm start`: it may be another project's.
 *
 * @throws LocalError if no local system runs, or a variable is missing or wrong
 */
export const readTarget = async (isExternal: boolean): Promise<Target> => {
  if (isExternal) return readEnvironment();
  const remedy = "start it (npm start), or pass --external to use DATABASE_URL and REDIS_URL";
  const runtime = await readRuntime(remedy);
  const name = `local system of ${place}, database ${databaseName(runtime.databaseUrl)}`;
  return { ...runtime, name, keyPrefix: KEY_PREFIX };
};
