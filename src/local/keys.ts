/** `npm run keys`: on the environment's DATABASE_URL and REDIS_URL, else on the local system that runs. */
import { contract } from "../contract/contract.ts";
import { scopesOf } from "../contract/scopes.ts";
import { isUnavailable } from "../origin/data/failure.ts";
import { connectPostgres } from "../origin/data/postgres.ts";
import { connectRedis } from "../origin/data/redis.ts";
import { KEYS_USAGE, runKeysCommand, UsageError } from "../origin/keys/keys-command.ts";
import { createLog } from "../origin/log.ts";
import { readRuntime } from "./runtime.ts";

const fail = (line: string): never => {
  process.stderr.write(`✗ ${line}\n`);
  process.exit(1);
};

const { DATABASE_URL, REDIS_URL, REDIS_TOKEN, REDIS_KEY_PREFIX } = process.env;
const runtime = DATABASE_URL ? undefined : await readRuntime();
const databaseUrl = DATABASE_URL || runtime?.databaseUrl;
const redisUrl = DATABASE_URL ? REDIS_URL : runtime?.redisUrl;
if (databaseUrl === undefined || redisUrl === undefined) {
  fail("no database: start the system first (npm start), or set DATABASE_URL and REDIS_URL");
} else {
  const log = createLog("silent");
  const pool = connectPostgres(databaseUrl, { maxConnections: 2, log });
  const redis = connectRedis(redisUrl, runtime?.redisToken ?? REDIS_TOKEN, log);
  try {
    await runKeysCommand(
      {
        pool,
        redis,
        keyPrefix: (runtime === undefined ? REDIS_KEY_PREFIX : undefined) || "breakwater:",
        scopes: scopesOf(contract),
        now: Date.now,
        print: (line) => void process.stdout.write(`${line}\n`),
      },
      process.argv.slice(2),
    );
  } catch (error) {
    if (error instanceof UsageError) fail(`${error.message}\n${KEYS_USAGE}`);
    if (isUnavailable(error)) fail("the database cannot be reached: is the system running?");
    throw error;
  } finally {
    await redis.close();
    await pool.close();
  }
}
