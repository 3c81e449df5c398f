/** A Redis behind its REST bridge for the tests in workerd. Set up by the root project: imports resolve as in Node there. */
import type { TestProject } from "vitest/node";
import { connectRedis, startRedis } from "../../../src/local/redis.ts";
import { startUpstashBridge } from "../../../src/local/upstash-bridge.ts";

declare module "vitest" {
  interface ProvidedContext {
    redis: { readonly url: string; readonly token: string };
  }
}

export default async (project: TestProject): Promise<() => Promise<void>> => {
  const { TEST_REDIS_URL } = process.env;
  const redis = TEST_REDIS_URL ? await connectRedis(TEST_REDIS_URL) : await startRedis();
  const bridge = await startUpstashBridge({ client: redis.client, token: crypto.randomUUID() });
  project.provide("redis", { url: bridge.url, token: bridge.token });
  return async () => {
    await bridge.stop();
    await redis.stop();
  };
};
