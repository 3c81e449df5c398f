/** The shell's environment, and what of it the local system uses. */
import { allKeys } from "../origin/config/schema.ts";
import { removeDriverVariables } from "../origin/config/urls.ts";

/** For child processes: where programs, their caches and temporary files are. */
export const childEnvironment = (): NodeJS.ProcessEnv => {
  const { PATH, HOME, TMPDIR } = process.env;
  return { PATH, HOME, TMPDIR };
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
