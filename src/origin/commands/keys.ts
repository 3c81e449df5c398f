/** `keys create|list|revoke`, on a database and the Redis where its keys are published. */
import { contract } from "../../contract/contract.ts";
import { keyScopes } from "../../contract/scopes.ts";
import { isUnavailable } from "../data/failure.ts";
import { connectPostgres } from "../data/postgres.ts";
import { connectRedis } from "../data/redis.ts";
import { keysUsage, runKeysCommand, UsageError } from "../keys/keys-command.ts";
import { EXIT } from "../lifecycle/exit-codes.ts";
import { createLog } from "../log.ts";
import type { Terminal } from "./terminal.ts";

export interface KeysPlace {
  readonly databaseUrl: string;
  readonly redisUrl: string;
  readonly redisToken: string | undefined;
  readonly keyPrefix: string;
}

/**
 * @param call how the command is called, for its usage: `npm run keys --`
 * @returns the exit code
 */
export const keysCommand = async (
  { databaseUrl, redisUrl, redisToken, keyPrefix }: KeysPlace,
  args: string[],
  { print, fail }: Terminal,
  call: string,
): Promise<number> => {
  const log = createLog("silent");
  const pool = connectPostgres(databaseUrl, { maxConnections: 2, log });
  const redis = connectRedis(redisUrl, redisToken, log);
  try {
    await runKeysCommand({ pool, redis, keyPrefix, scopes: keyScopes(contract), now: Date.now, print }, args);
    return EXIT.stopped;
  } catch (error) {
    if (error instanceof UsageError) fail(`${error.message}\n${keysUsage(call)}`);
    else if (isUnavailable(error)) fail("the database cannot be reached: is the system running?");
    else throw error;
    return EXIT.failure;
  } finally {
    await redis.close();
    await pool.close();
  }
};
