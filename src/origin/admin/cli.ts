/** Shared parts of admin commands: connections, arguments, output, exit codes. */
import { contract } from "../../contract/contract.ts";
import { parseDuration } from "../../contract/duration.ts";
import type { Routes } from "../../contract/route.ts";
import { ONE_LINE } from "../../contract/schemas.ts";
import { escapeUnprintable } from "../../lib/unicode.ts";
import { isUnavailable } from "../db/errors.ts";
import { connectPostgres } from "../db/postgres.ts";
import { EXIT } from "../lifecycle/exit.ts";
import { createLog } from "../log/log.ts";
import { connectRedis, type RedisStore } from "../redis/store.ts";
import { type Publication, type PublishTarget, publish } from "./publish.ts";

export interface Terminal {
  /** Results: standard output. */
  readonly print: (line: string) => void;
  /** The system that the command works on: standard error. */
  readonly note: (line: string) => void;
  /** Errors: standard error. */
  readonly fail: (line: string) => void;
}

export const processTerminal: Terminal = {
  print: (line) => void process.stdout.write(`${line}\n`),
  note: (line) => void process.stderr.write(`→ ${line}\n`),
  fail: (line) => void process.stderr.write(`✗ ${line}\n`),
};

interface ConnectionTarget {
  readonly databaseUrl: string;
  readonly redisUrl: string;
  readonly redisToken: string | undefined;
  readonly keyPrefix: string;
}

export interface CommandContext extends PublishTarget {
  readonly redis: RedisStore;
  readonly routes: Routes;
  readonly print: Terminal["print"];
}

/** @throws UsageError, or an error of `parseArgs` */
type Run = (context: CommandContext, args: string[]) => Promise<void>;

export interface Command {
  /** One line per form, without the name of the command. */
  readonly usage: readonly string[];
  readonly run: Run;
}

/** Wrong arguments. The message explains them to the user. */
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

/** Also of `parseArgs`. */
export const isUsageError = (error: unknown): error is Error =>
  error instanceof UsageError ||
  (error instanceof TypeError && "code" in error && String(error.code).startsWith("ERR_PARSE_ARGS"));

/** An option of `parseArgs` with a value. */
export const TEXT = { type: "string" } as const;

const MAX_TEXT_LENGTH = 200;

/**
 * Text on one line.
 *
 * @throws UsageError
 */
export const readText = (option: string, text: string | undefined): string => {
  if (!text || text.length > MAX_TEXT_LENGTH)
    throw new UsageError(`--${option} is missing or longer than ${MAX_TEXT_LENGTH} characters`);
  if (!text.isWellFormed()) throw new UsageError(`--${option} is not well-formed Unicode`);
  if (!ONE_LINE.test(text)) throw new UsageError(`--${option} has control characters or line breaks`);
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

/** Publishes a change and prints it. @param effect how soon the edge applies it */
export const publishChange = async (
  context: PublishTarget & Pick<CommandContext, "print">,
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
 * @param call the command line, for the usage: `npm run keys --`
 * @returns the exit code
 */
export const runCommand = async (
  { usage: lines, run }: Command,
  call: string,
  args: string[],
  { databaseUrl, redisUrl, redisToken, keyPrefix }: ConnectionTarget,
  { print: printLine, fail }: Terminal,
): Promise<number> => {
  // Rows may hold what a terminal would act on: from earlier versions, or other programs.
  const print = (line: string): void => printLine(escapeUnprintable(line));
  const log = createLog("silent");
  const pool = connectPostgres(databaseUrl, { maxConnections: 2, log });
  const redis = connectRedis(redisUrl, redisToken, log);
  try {
    await run({ pool, redis, keyPrefix, routes: contract, print }, args);
    return EXIT.stopped;
  } catch (error) {
    const usage = lines.map((line) => `${call} ${line}`).join("\n       ");
    if (isUsageError(error)) fail(`${escapeUnprintable(error.message)}\nusage: ${usage}`);
    else if (isUnavailable(error)) fail("cannot reach the database; is the system running?");
    else throw error;
    return EXIT.failure;
  } finally {
    await redis.close();
    await pool.close();
  }
};
