/** A redis-server of the test's own, or the one that the environment names; and the routes to it that the suite covers. */
import { tmpdir } from "node:os";
import { Redis } from "ioredis";
import { type Child, isOnPath, startServer } from "../../../src/local/child-process.ts";
import type { CleanupStack } from "../../../src/local/cleanup-stack.ts";
import { freePort } from "../../../src/local/free-port.ts";
import { connectRedis } from "../../../src/local/redis.ts";
import { startUpstashBridge } from "../../../src/local/upstash-bridge.ts";

/** Undefined unless the server was started here. */
export interface RedisProcess {
  start(): Promise<void>;
  stop(): Promise<void>;
  /** Suspends the server: it accepts connections and does not answer. */
  freeze(): void;
  thaw(): void;
}

export interface RedisServer {
  readonly url: string;
  readonly process: RedisProcess | undefined;
}

const externalUrl = process.env["TEST_SERVERS"] === "external" ? process.env["TEST_REDIS_URL"] : undefined;

/** Why there is no Redis over TCP here. */
export const noRedis: string | undefined =
  externalUrl || isOnPath("redis-server") ? undefined : "no redis-server on the PATH, and no TEST_REDIS_URL";

/** A connection that fails at once if the server is down. */
export const redisAdmin = (url: string, stops: CleanupStack): Redis => {
  const redis = new Redis(url, { maxRetriesPerRequest: 1, commandTimeout: 5_000 });
  redis.on("error", () => undefined);
  stops.add(async () => redis.disconnect());
  return redis;
};

export const startRedisServer = async (stops: CleanupStack): Promise<RedisServer> => {
  if (externalUrl) return { url: externalUrl, process: undefined };
  const port = await freePort();
  let server: Child | undefined;
  const start = async (): Promise<void> => {
    server = await startServer(
      {
        name: "redis-server",
        command: "redis-server",
        args: ["-"],
        input: `bind 127.0.0.1\nport ${port}\nsave ""\nappendonly no\n`,
        cwd: tmpdir(),
      },
      (line) => line.includes("Ready to accept connections"),
      { timeoutMs: 10_000 },
    );
  };
  const thaw = (): void => server?.signal("SIGCONT");
  const stop = async (): Promise<void> => {
    thaw();
    await server?.stop({ timeoutMs: 3_000 });
  };
  stops.add(stop);
  await start();
  const freeze = (): void => server?.signal("SIGSTOP");
  return { url: `redis://127.0.0.1:${port}`, process: { start, stop, freeze, thaw } };
};

/** Where the store connects. */
export interface RedisRoute {
  readonly url: string;
  readonly token: string | undefined;
}

export interface RedisDriver {
  readonly name: string;
  readonly scheme: "http" | "redis";
  /** Starts the proxies of the route to `redisUrl`. */
  route(redisUrl: string, stops: CleanupStack): Promise<RedisRoute>;
}

export const redisDrivers: readonly RedisDriver[] = [
  {
    name: "Upstash over HTTP",
    scheme: "http",
    route: async (redisUrl, stops) => {
      const redis = await connectRedis(redisUrl);
      stops.add(() => redis.stop());
      const bridge = await startUpstashBridge({ client: redis.client, token: "conformance" });
      stops.add(() => bridge.stop());
      return bridge;
    },
  },
  {
    name: "ioredis over TCP",
    scheme: "redis",
    route: async (redisUrl) => ({ url: redisUrl, token: undefined }),
  },
];
