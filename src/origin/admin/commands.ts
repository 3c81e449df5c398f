/** The commands of the origin's program, which administer it from its container. */
import { DEFAULT_FILE, FILE_VARIABLE } from "../config/file.ts";
import { describeEntries } from "../config/print.ts";
import type { OriginConfigurationReading } from "../config/read.ts";
import { databaseName } from "../config/urls.ts";
import { unboundScope } from "../db/database.ts";
import { isUnavailable } from "../db/errors.ts";
import { migrate, readMigrations } from "../db/migrate.ts";
import { connectPostgres } from "../db/postgres.ts";
import { EXIT } from "../lifecycle/exit.ts";
import { createLog } from "../log/log.ts";
import { runBackupFile } from "./backup-file.ts";
import { blockCommand, unblockCommand } from "./blocklist/command.ts";
import { type Command, runCommand, type Terminal } from "./cli.ts";
import { keysCommand } from "./keys.ts";
import { limitsCommand } from "./limits.ts";
import { recoverCommand } from "./recover.ts";

const USAGE = `usage: main.mjs               serve
       main.mjs config        print the configuration in force
       main.mjs migrate       apply the database migrations
       main.mjs keys create|list|revoke …
       main.mjs limits set|list|clear|usage …
       main.mjs block ADDRESS|RANGE … | list
       main.mjs unblock ADDRESS|RANGE
       main.mjs recover …     after the database was restored
       main.mjs backup encrypt|decrypt …
       Every command but backup needs the complete configuration, as serving does.`;

export const adminCommands: ReadonlyMap<string, Command> = new Map([
  ["keys", keysCommand],
  ["limits", limitsCommand],
  ["block", blockCommand],
  ["unblock", unblockCommand],
  ["recover", recoverCommand],
]);

/**
 * Prints the configuration and the source of each value.
 *
 * @param path the file that was read, if any
 * @returns the exit code
 */
export const printConfiguration = (
  reading: OriginConfigurationReading,
  path: string | undefined,
  { print, fail }: Terminal,
): number => {
  if (!reading.ok) {
    fail(reading.message);
    return EXIT.configuration;
  }
  const none = `no file (${FILE_VARIABLE} is not set and ${DEFAULT_FILE} does not exist)`;
  print(`${path === undefined ? none : `file ${path}`}\n`);
  print(describeEntries(reading.entries));
  return EXIT.stopped;
};

/** @returns the exit code */
export const runMigrations = async (databaseUrl: string, { print, fail }: Terminal): Promise<number> => {
  const pool = connectPostgres(databaseUrl, { maxConnections: 2, log: createLog("silent") });
  try {
    const applied = await migrate(pool.within(unboundScope("migrate")), await readMigrations());
    print(applied.length === 0 ? "the schema is up to date" : applied.join("\n"));
    return EXIT.stopped;
  } catch (error) {
    fail(isUnavailable(error) ? "cannot reach the database" : String(error));
    return EXIT.failure;
  } finally {
    await pool.close();
  }
};

/** @returns the exit code */
export const runMain = async (
  [name = "", ...args]: readonly string[],
  configuration: OriginConfigurationReading,
  filePath: string | undefined,
  terminal: Terminal,
): Promise<number> => {
  if (name === "backup") return await runBackupFile(args, terminal);
  const command = adminCommands.get(name);
  const isPlain = (name === "config" || name === "migrate") && args.length === 0;
  if (command === undefined && !isPlain) {
    terminal.fail(`unknown command: ${[name, ...args].join(" ")}\n${USAGE}`);
    return EXIT.failure;
  }
  if (name === "config" || !configuration.ok) return printConfiguration(configuration, filePath, terminal);
  const { database, redis } = configuration.value;
  const source = configuration.entries.find(({ key }) => key === "database.url")?.source;
  terminal.note(`database ${databaseName(database.url)} from ${source}`);
  if (command === undefined) return await runMigrations(database.url, terminal);
  const { url: redisUrl, token: redisToken, keyPrefix } = redis;
  const target = { databaseUrl: database.url, redisUrl, redisToken, keyPrefix };
  return await runCommand(command, `main.mjs ${name}`, args, target, terminal);
};
