/** Redis as an edge sees it while it is down: at an address that refuses connections. */
import { createRedis } from "../../src/edge/stores/redis.ts";

export const noRedis = createRedis({ url: "http://127.0.0.1:9", token: "token", timeoutMs: 1_000 });
