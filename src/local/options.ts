/** The words behind `npm start --`. */
import { parseArgs } from "node:util";
import { LocalError } from "./local-error.ts";

export interface LocalOptions {
  /** The edge's port. */
  readonly port: number;
  /** How many origins run. */
  readonly origins: number;
  /** Begin with empty data. */
  readonly fresh: boolean;
  /** Use DATABASE_URL and REDIS_URL of the environment instead of what is embedded. */
  readonly external: boolean;
  /** Do not print what the tiers log. */
  readonly quiet: boolean;
}

export const USAGE = `usage: npm start -- [--port N] [--origins N] [--fresh] [--external] [--quiet]
  --port N      the edge's port (default 8787; 0 takes a free one)
  --origins N   how many origins run, 1 to 8 (default 2)
  --fresh       begin with empty data (the embedded data only)
  --external    use DATABASE_URL and REDIS_URL from the environment instead of the embedded servers
  --quiet       do not print what edge and origins log`;

const wholeNumber = (name: string, text: string, min: number, max: number): number => {
  const value = /^\d{1,5}$/.test(text) ? Number(text) : Number.NaN;
  if (value >= min && value <= max) return value;
  throw new LocalError(`--${name} ${text}: give a whole number from ${min} to ${max}`);
};

/** @throws LocalError that says what was wrong */
export const readOptions = (args: readonly string[]): LocalOptions | "help" => {
  const values = parse(args);
  if (values.help) return "help";
  if (values.fresh && values.external) {
    throw new LocalError("--fresh only ever erases the embedded data: leave it out with --external");
  }
  return {
    port: wholeNumber("port", values.port, 0, 65_535),
    origins: wholeNumber("origins", values.origins, 1, 8),
    fresh: values.fresh,
    external: values.external,
    quiet: values.quiet,
  };
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
