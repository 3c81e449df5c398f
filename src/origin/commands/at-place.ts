/** Commands that work on a database and the Redis where parts of it are published. */
import { isUnavailable } from "../db/errors.ts";
import { connectPostgres, type PostgresPool } from "../db/postgres.ts";
import { connectRedis } from "../redis/connect.ts";
import type { RedisStore } from "../redis/store.ts";
import { EXIT } from "../lifecycle/exit-codes.ts";
import { createLog } from "../log.ts";
import { UsageError } from "./subcommand.ts";
import type { Terminal } from "./terminal.ts";

export interface Place {
  readonly databaseUrl: string;
  readonly redisUrl: string;
  readonly redisToken: string | undefined;
  readonly keyPrefix: string;
}

/** A place as a command has it: connected. */
export interface PlaceContext {
  readonly pool: PostgresPool;
  readonly redis: RedisStore;
  readonly keyPrefix: string;
  readonly print: (line: string) => void;
}

/**
 * @param call how the command is called, for its usage: `npm run keys --`
 * @returns the exit code
 */
export type PlaceCommand = (
  place: Place,
  args: string[],
  terminal: Terminal,
  call: string,
) => Promise<number>;

/** @returns the exit code */
export const runAtPlace = async (
  { databaseUrl, redisUrl, redisToken, keyPrefix }: Place,
  { print, fail }: Terminal,
  usage: string,
  work: (context: PlaceContext) => Promise<void>,
): Promise<number> => {
  const log = createLog("silent");
  const pool = connectPostgres(databaseUrl, { maxConnections: 2, log });
  const redis = connectRedis(redisUrl, redisToken, log);
  try {
    await work({ pool, redis, keyPrefix, print });
    return EXIT.stopped;
  } catch (error) {
    if (error instanceof UsageError) fail(`${error.message}\n${usage}`);
    else if (isUnavailable(error)) fail("the database cannot be reached: is the system running?");
    else throw error;
    return EXIT.failure;
  } finally {
    await redis.close();
    await pool.close();
  }
};
