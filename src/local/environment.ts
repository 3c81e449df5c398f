/** The shell's environment, and what of it the local system uses. */
import { allKeys } from "../origin/config/schema.ts";
import { removeDriverVariables } from "../origin/config/urls.ts";

/** The conditions under which this process resolves the `imports` of package.json: `node --conditions=NAME`. */
export const importConditions = (nodeOptions = process.env["NODE_OPTIONS"] ?? ""): string[] =>
  [...process.execArgv, ...nodeOptions.split(" ")].flatMap((option) => {
    const name = option.match(/^--conditions=(.+)$/)?.[1];
    return name === undefined ? [] : [name];
  });

/** For child processes: where programs, their caches and temporary files are, and the conditions of imports. */
export const childEnvironment = (conditions: readonly string[] = importConditions()): NodeJS.ProcessEnv => {
  const { PATH, HOME, TMPDIR } = process.env;
  const options = conditions.map((name) => `--conditions=${name}`).join(" ");
  return { PATH, HOME, TMPDIR, ...(options === "" ? {} : { NODE_OPTIONS: options }) };
};

/** For origins: the variables of the API's own settings. */
export const apiEnvironment = (): Record<string, string> => {
  const names = allKeys.flatMap(({ file, variables }) => (file.startsWith("api.") ? variables : []));
  return Object.fromEntries(
    names.flatMap((name) => {
      const value = process.env[name];
      return value === undefined ? [] : [[name, value]];
    }),
  );
};

const LOOPBACK = "127.0.0.1,localhost,[::1]";

/**
 * For this process, before its first connection: removes variables that the database's driver would read, and connects to
 * this machine without a proxy.
 */
export const useOwnEnvironment = (environment: Record<string, string | undefined> = process.env): void => {
  removeDriverVariables(environment);
  const others = environment["no_proxy"] ?? environment["NO_PROXY"];
  const noProxy = others ? `${others},${LOOPBACK}` : LOOPBACK;
  environment["no_proxy"] = noProxy;
  environment["NO_PROXY"] = noProxy;
};
