/** The routes to Redis that the suite covers. */

import type { CleanupStack } from "../../../src/local/cleanup-stack.ts";
import { connectRedis } from "../../../src/local/redis.ts";
import { startUpstashBridge } from "../../../src/local/upstash-bridge.ts";

/** Where the store connects. */
export interface RedisRoute {
  readonly url: string;
  readonly token: string | undefined;
}

export interface RedisDriver {
  readonly name: string;
  readonly scheme: "http" | "redis";
  /** Starts what the route to the server of `redisUrl` needs. */
  route(redisUrl: string, stops: CleanupStack): Promise<RedisRoute>;
}

const token = "conformance";

export const redisDrivers: readonly RedisDriver[] = [
  {
    name: "Upstash over HTTP",
    scheme: "http",
    route: async (redisUrl, stops) => {
      const redis = await connectRedis(redisUrl);
      stops.add(() => redis.stop());
      const bridge = await startUpstashBridge({ client: redis.client, token });
      stops.add(() => bridge.stop());
      return { url: bridge.url, token };
    },
  },
  {
    name: "ioredis over TCP",
    scheme: "redis",
    route: async (redisUrl) => ({ url: redisUrl, token: undefined }),
  },
];
