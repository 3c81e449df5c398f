/** A process of its own: a Redis behind its REST bridge, until standard input ends. Prints where it is. */
import { once } from "node:events";
import { connectRedis, startRedis } from "../../../src/local/redis.ts";
import { startUpstashBridge } from "../../../src/local/upstash-bridge.ts";

const { TEST_REDIS_URL } = process.env;
const redis = TEST_REDIS_URL ? await connectRedis(TEST_REDIS_URL) : await startRedis();
const bridge = await startUpstashBridge({ client: redis.client, token: crypto.randomUUID() });
process.stdout.write(`${JSON.stringify({ url: bridge.url, token: bridge.token })}\n`);
process.stdin.resume();
await once(process.stdin, "end");
await bridge.stop();
await redis.stop();
