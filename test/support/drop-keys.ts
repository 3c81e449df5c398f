import { Redis } from "@upstash/redis";

/** Removes every key of a test's own prefix. */
export const dropKeys = async (url: string, token: string, prefix: string): Promise<void> => {
  const redis = new Redis({
    url,
    token,
    automaticDeserialization: false,
    enableTelemetry: false,
    retry: false,
  });
  let cursor = "0";
  do {
    const [next, keys] = await redis.scan(cursor, { match: `${prefix}*`, count: 1000 });
    if (keys.length > 0) await redis.del(...keys);
    cursor = String(next);
  } while (cursor !== "0");
};
