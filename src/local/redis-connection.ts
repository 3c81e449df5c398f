/** Connections to a Redis server over TCP. */
import { setTimeout as pause } from "node:timers/promises";
import { Redis, type RedisOptions } from "ioredis";

/** A lost server fails a command soon, a slow one within 5 s. */
const options = {
  lazyConnect: true,
  maxRetriesPerRequest: 1,
  connectTimeout: 2_000,
  commandTimeout: 5_000,
  retryStrategy: (times) => Math.min(25 * times, 500),
} satisfies RedisOptions;

const pollMs = 25;

export interface RedisConnection {
  readonly redis: Redis;
  /** Why the connection was lost last, if it was. */
  lastError(): Error | undefined;
}

/** A connection that emits no unhandled error; its first command opens it. */
export function createRedisConnection(url: string): RedisConnection {
  const redis = new Redis(url, options);
  let lastError: Error | undefined;
  redis.on("error", (error: Error) => {
    lastError = error;
  });
  return { redis, lastError: () => lastError };
}

/** What says that another try is in vain: the server answered and refused. */
const isRefusal = (error: unknown): boolean =>
  error instanceof Error && /^(WRONGPASS|NOAUTH|NOPERM|ERR) /.test(error.message);

/**
 * Pings until the server answers, and answers its version.
 *
 * @param giveUp asked between two tries
 * @throws the last error when the server refuses, or when `giveUp` says so
 */
export async function untilRedisAnswers(
  { redis, lastError }: RedisConnection,
  giveUp: () => boolean,
): Promise<string> {
  for (;;) {
    try {
      await redis.ping();
      return versionIn(await redis.info("server").catch(() => ""));
    } catch (error) {
      // ioredis tells why by its events; the command's own error only says that it was not sent.
      const reason = lastError() ?? error;
      if (isRefusal(error) || isRefusal(reason) || giveUp()) throw isRefusal(error) ? error : reason;
    }
    await pause(pollMs);
  }
}

const versionIn = (info: string): string => /^redis_version:(\S+)/m.exec(info)?.[1] ?? "unknown";
