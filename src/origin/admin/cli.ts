/** The parts that admin commands share: connections, arguments, output, and exit codes. */
import { type ParseArgsConfig, parseArgs } from "node:util";
import { contract } from "../../contract/contract.ts";
import type { Routes } from "../../contract/route.ts";
import { parseDuration } from "../config/values.ts";
import { isUnavailable } from "../db/errors.ts";
import { connectPostgres } from "../db/postgres.ts";
import { EXIT } from "../lifecycle/exit.ts";
import { createLog } from "../log/log.ts";
import { connectRedis } from "../redis/store.ts";
import { type Publication, type PublishTarget, publish } from "./publish.ts";

export interface Terminal {
  /** Results: standard output. */
  readonly print: (line: string) => void;
  /** Errors: standard error. */
  readonly fail: (line: string) => void;
}

export const processTerminal: Terminal = {
  print: (line) => void process.stdout.write(`${line}\n`),
  fail: (line) => void process.stderr.write(`✗ ${line}\n`),
};

export interface ConnectionTarget {
  readonly databaseUrl: string;
  readonly redisUrl: string;
  readonly redisToken: string | undefined;
  readonly keyPrefix: string;
}

export interface CommandContext extends PublishTarget {
  readonly routes: Routes;
  readonly print: Terminal["print"];
}

/** @throws UsageError */
type Run = (context: CommandContext, args: string[]) => Promise<void>;

export interface Command {
  /** One line per form, without the name of the command. */
  readonly usage: readonly string[];
  readonly run: Run;
}

/** The arguments are wrong; the message says how. */
export class UsageError extends Error {}

/** Runs the entry that the first argument names, with the other arguments. */
export const subcommands =
  (table: Readonly<Record<string, Run>>): Run =>
  async (context, [name, ...args]) => {
    if (name === undefined) throw new UsageError("missing command");
    const run = Object.hasOwn(table, name) ? table[name] : undefined;
    if (run === undefined) throw new UsageError(`unknown command: ${name}`);
    await run(context, args);
  };

const isParseError = (error: unknown): error is Error =>
  error instanceof TypeError && "code" in error && String(error.code).startsWith("ERR_PARSE_ARGS");

/** `parseArgs` of `node:util`. @throws UsageError */
export const parseOptions = <Config extends ParseArgsConfig>(
  config: Config,
): ReturnType<typeof parseArgs<Config>> => {
  try {
    return parseArgs(config);
  } catch (error) {
    throw isParseError(error) ? new UsageError(error.message) : error;
  }
};

/** An option with a value. */
export const TEXT = { type: "string" } as const;

const MAX_PRINCIPAL_LENGTH = 200;

/** @throws UsageError */
export const readPrincipal = (text: string | undefined): string => {
  if (!text || text.length > MAX_PRINCIPAL_LENGTH)
    throw new UsageError(`--principal is missing or longer than ${MAX_PRINCIPAL_LENGTH} characters`);
  if (!text.isWellFormed()) throw new UsageError("--principal is not well-formed Unicode");
  return text;
};

/**
 * @returns seconds, at least 1; null without the option
 * @throws UsageError
 */
export const readDuration = (option: string, text: string | undefined, maxDays: number): number | null => {
  if (text === undefined) return null;
  const seconds = (parseDuration(text) ?? 0) / 1_000;
  if (seconds >= 1 && seconds <= maxDays * 86_400) return seconds;
  throw new UsageError(
    `--${option} ${text}: use a duration such as 90s, 30m, 12h or 7d, at most ${maxDays}d`,
  );
};

/** Publishes a change and prints it; `effect` says how soon the edge applies a published change. */
export const publishChange = async (
  context: Omit<CommandContext, "routes">,
  publication: Publication,
  change: string,
  effect: string,
): Promise<void> => {
  try {
    await publish(publication, context);
    context.print(`${change}: ${effect}`);
  } catch (error) {
    context.print(change);
    context.print(
      `Redis is unreachable (${String(error)}): an origin will publish the change once it is back.`,
    );
  }
};

/**
 * @param call how the user calls the command, for its usage: `npm run keys --`
 * @returns the exit code
 */
export const runCommand = async (
  { usage: lines, run }: Command,
  call: string,
  args: string[],
  { databaseUrl, redisUrl, redisToken, keyPrefix }: ConnectionTarget,
  { print, fail }: Terminal,
): Promise<number> => {
  const log = createLog("silent");
  const pool = connectPostgres(databaseUrl, { maxConnections: 2, log });
  const redis = connectRedis(redisUrl, redisToken, log);
  try {
    await run({ pool, redis, keyPrefix, routes: contract, print }, args);
    return EXIT.stopped;
  } catch (error) {
    const usage = lines.map((line) => `${call} ${line}`).join("\n       ");
    if (error instanceof UsageError) fail(`${error.message}\nusage: ${usage}`);
    else if (isUnavailable(error)) fail("cannot reach the database; is the system running?");
    else throw error;
    return EXIT.failure;
  } finally {
    await redis.close();
    await pool.close();
  }
};
