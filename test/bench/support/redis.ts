/** A real Redis: redis-server where the machine has it, else the one that TEST_REDIS_URL names. */
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { Redis } from "ioredis";
import { isOnPath, spawnChild } from "../../../src/local/child-process.ts";
import { freePort } from "../../../src/local/free-port.ts";
import { LocalError } from "../../../src/local/local-error.ts";

export interface BenchRedis {
  readonly url: string;
  /** Such as "Redis 7.2.1". */
  readonly server: string;
  /** Removes the keys of the run's prefix, and the server where it was started here. */
  stop(): Promise<void>;
}

const CONNECT_TIMEOUT_MS = 10_000;

const connect = (url: string): Redis => {
  const redis = new Redis(url, {
    lazyConnect: true,
    maxRetriesPerRequest: null,
    commandTimeout: CONNECT_TIMEOUT_MS,
    retryStrategy: () => 50,
  });
  // Why it is not connected, the command that fails tells.
  redis.on("error", () => undefined);
  return redis;
};

const versionOf = async (redis: Redis): Promise<string> => {
  const info = await redis.info("server");
  return `Redis ${/^redis_version:(\S+)/m.exec(info)?.[1] ?? "of an unknown version"}`;
};

const dropKeys = async (redis: Redis, prefix: string): Promise<void> => {
  for await (const keys of redis.scanStream({ match: `${prefix}*`, count: 1000 })) {
    if (keys.length > 0) await redis.del(...keys);
  }
};

const startServer = async (): Promise<BenchRedis> => {
  const folder = await mkdtemp(join(tmpdir(), "breakwater-bench-redis-"));
  const port = await freePort();
  const settings = { bind: "127.0.0.1", port: String(port), save: "", appendonly: "no", dir: folder };
  const child = spawnChild({
    name: "redis-server",
    command: "redis-server",
    args: Object.entries(settings).flatMap(([name, value]) => [`--${name}`, value]),
  });
  const url = `redis://127.0.0.1:${port}`;
  const redis = connect(url);
  const stop = async (): Promise<void> => {
    redis.disconnect();
    await child.stop();
    await rm(folder, { recursive: true, force: true });
  };
  try {
    return { url, server: await versionOf(redis), stop };
  } catch (error) {
    await stop();
    throw error;
  }
};

/**
 * @param keyPrefix of every key that the run makes
 * @throws LocalError where there is none; Error where it does not answer within 10 s
 */
export const startRedis = async (keyPrefix: string): Promise<BenchRedis> => {
  if (isOnPath("redis-server")) return await startServer();
  const url = process.env["TEST_REDIS_URL"];
  if (!url) {
    throw new LocalError(
      "no Redis: put redis-server on the PATH, or name a server with TEST_REDIS_URL=redis://…",
    );
  }
  const redis = connect(url);
  try {
    const server = await versionOf(redis);
    return {
      url,
      server,
      stop: async () => {
        await dropKeys(redis, keyPrefix);
        redis.disconnect();
      },
    };
  } catch (error) {
    redis.disconnect();
    throw error;
  }
};
