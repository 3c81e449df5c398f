/** Connections to a Redis server over TCP. */
import { addAbortListener } from "node:events";
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
 * @throws the last error when the server refuses; when `giveUp` fires too, and then the connection is closed
 */
export async function untilRedisAnswers(connection: RedisConnection, giveUp: AbortSignal): Promise<string> {
  const { redis, lastError } = connection;
  const { promise: givenUp, reject } = Promise.withResolvers<never>();
  givenUp.catch(() => {});
  const listening = addAbortListener(giveUp, () => {
    redis.disconnect();
    // A command that waits for a reconnection does not learn of the disconnection.
    reject(new Error("no answer in time"));
  });
  try {
    for (;;) {
      try {
        await Promise.race([redis.ping(), givenUp]);
        return versionIn(await redis.info("server").catch(() => ""));
      } catch (error) {
        // ioredis tells why by its events; the command's own error only says that it was not sent.
        const reason = isRefusal(error) ? error : (lastError() ?? error);
        if (isRefusal(reason) || giveUp.aborted) throw reason;
      }
      await pause(pollMs);
    }
  } finally {
    listening[Symbol.dispose]();
  }
}

const versionIn = (info: string): string => /^redis_version:(\S+)/m.exec(info)?.[1] ?? "unknown";
