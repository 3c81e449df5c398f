/** The command line of `npm start --`. */
import { parseArgs } from "node:util";
import { LocalError } from "./local-error.ts";

export const USAGE = `usage: npm start -- [--port N] [--origins N] [--fresh] [--external] [--quiet]
  --port N      the edge's port (default 8787; 0 takes a free one)
  --origins N   the number of origins, 1 to 8 (default 2)
  --fresh       erase the embedded data first
  --external    use DATABASE_URL and REDIS_URL from the environment instead of the embedded servers
  --quiet       do not print the logs of the edge and the origins`;

const wholeNumber = (name: string, text: string, min: number, max: number): number => {
  const value = /^\d{1,5}$/.test(text) ? Number(text) : Number.NaN;
  if (value >= min && value <= max) return value;
  throw new LocalError(`--${name} ${text}: give a whole number from ${min} to ${max}`);
};

const parse = (args: readonly string[]) => {
  try {
    return parseArgs({
      args: [...args],
      options: {
        port: { type: "string", default: "8787" },
        origins: { type: "string", default: "2" },
        fresh: { type: "boolean", default: false },
        external: { type: "boolean", default: false },
        quiet: { type: "boolean", default: false },
        help: { type: "boolean", short: "h", default: false },
      },
    }).values;
  } catch (error) {
    throw new LocalError(error instanceof Error ? (error.message.split(". ")[0] ?? "") : String(error));
  }
};

/** @throws LocalError */
export const readOptions = (args: readonly string[]) => {
  const { port, origins, ...switches } = parse(args);
  if (switches.fresh && switches.external) {
    throw new LocalError("--fresh erases only embedded data: omit it with --external");
  }
  return {
    ...switches,
    port: wholeNumber("port", port, 0, 65_535),
    origins: wholeNumber("origins", origins, 1, 8),
  };
};
export type LocalOptions = ReturnType<typeof readOptions>;
