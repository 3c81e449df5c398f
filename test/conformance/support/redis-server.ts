/** A redis-server of the test's own, or the one that the environment names. */
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { Redis } from "ioredis";
import { type Child, isOnPath, spawnChild } from "../../../src/local/child-process.ts";
import { freePort } from "../../../src/local/free-port.ts";
import { until } from "./poll.ts";

/** Undefined where the server is somebody else's. */
export interface RedisProcess {
  start(): Promise<void>;
  stop(): Promise<void>;
  /** Holds the server up, its connections open: it accepts and does not answer. */
  freeze(): void;
  thaw(): void;
}

export interface RedisServer {
  readonly url: string;
  readonly process: RedisProcess | undefined;
  end(): Promise<void>;
}

const externalUrl = process.env["TEST_SERVERS"] === "external" ? process.env["TEST_REDIS_URL"] : undefined;

/** Why there is no Redis over TCP here. */
export const noRedis: string | undefined =
  externalUrl || isOnPath("redis-server") ? undefined : "no redis-server on the PATH, and no TEST_REDIS_URL";

/** Read from standard input. */
const configuration = (port: number): string =>
  `bind 127.0.0.1\nport ${port}\nsave ""\nappendonly no\ndir .\n`;

/** A connection that fails at once where the server is away. */
export const redisAdmin = (url: string): Redis => {
  const redis = new Redis(url, { maxRetriesPerRequest: 1, commandTimeout: 5_000 });
  redis.on("error", () => undefined);
  return redis;
};

const answers = async (url: string): Promise<boolean> => {
  const redis = new Redis(url, { lazyConnect: true, retryStrategy: () => null, connectTimeout: 500 });
  redis.on("error", () => undefined);
  const answer = await redis.ping().catch(() => "");
  redis.disconnect();
  return answer === "PONG";
};

const startOwn = async (): Promise<RedisServer> => {
  const port = await freePort();
  const url = `redis://127.0.0.1:${port}`;
  const folder = await mkdtemp(join(tmpdir(), "breakwater-conformance-redis-"));
  let server: Child | undefined;
  const start = async (): Promise<void> => {
    server = spawnChild({
      name: "redis-server",
      command: "redis-server",
      args: ["-"],
      input: configuration(port),
      cwd: folder,
    });
    await until("redis-server answers", () => answers(url));
  };
  const stop = async (): Promise<void> => {
    server?.signal("SIGCONT");
    await server?.stop({ signal: "SIGTERM", timeoutMs: 3_000 });
  };
  await start();
  return {
    url,
    process: {
      start,
      stop,
      freeze: () => server?.signal("SIGSTOP"),
      thaw: () => server?.signal("SIGCONT"),
    },
    end: async () => {
      await stop();
      await rm(folder, { recursive: true, force: true });
    },
  };
};

/** @throws when there is neither */
export const startRedisServer = async (): Promise<RedisServer> =>
  externalUrl ? { url: externalUrl, process: undefined, end: async () => undefined } : await startOwn();
