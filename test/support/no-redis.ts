/** Redis as an edge finds it that has none: at an address that refuses. */
import { createRedisClient } from "../../src/edge/redis-client.ts";

export const noRedis = createRedisClient({
  url: "http://127.0.0.1:9",
  token: "token",
  fetch: (input, init) => fetch(input, init),
  timeoutMs: 1_000,
});
