/** Redis over HTTP, by @upstash/redis: every command of the edge. */
import { Redis } from "@upstash/redis/cloudflare";
import { type Timeout, timeoutSignal } from "../../lib/async.ts";

export type RedisReply = string | number | null | readonly RedisReply[];

/**
 * Sends one command, once.
 *
 * @throws an error named `UpstashError` for what Redis itself refuses; any other if there is no reply in time
 */
export type RedisCommand = (...parts: [string, ...(string | number)[]]) => Promise<RedisReply>;

export interface RedisOptions {
  readonly url: string;
  readonly token: string;
  /** Until the whole reply has arrived, milliseconds. */
  readonly timeoutMs: number;
}

/** Replies of a Redis that is up but cannot serve: they count as failures. */
const UNUSABLE = /^(?:WRONGPASS|NOAUTH|LOADING|MASTERDOWN|CLUSTERDOWN)\b/;
const REDIS_CODE = /^[A-Z]+ /;

/** Whether Redis is up and refused the command itself, such as `NOSCRIPT …`. */
export const isRedisRefusal = (error: unknown): boolean =>
  error instanceof Error &&
  error.name === "UpstashError" &&
  REDIS_CODE.test(error.message) &&
  !UNUSABLE.test(error.message);

export const createRedis = ({ url, token, timeoutMs }: RedisOptions): RedisCommand => {
  let started: Timeout | undefined;
  const redis = new Redis({
    url,
    token,
    // The limiter and the caches decide themselves what follows a failure. `retry: false` would still send twice.
    retry: { retries: 0, backoff: () => 0 },
    // It would turn "1.5" into 1.5, and "true" into true.
    automaticDeserialization: false,
    responseEncoding: false,
    readYourWrites: false,
    // Commands of different requests would share a promise, which Workers forbid.
    enableAutoPipelining: false,
    enableTelemetry: false,
    // Called while a command is being sent, so that each has its own.
    signal: () => {
      started = timeoutSignal(timeoutMs);
      return started.signal;
    },
  });
  return async (...parts) => {
    const reply = redis.exec<RedisReply>(parts);
    const timeout = started;
    started = undefined;
    try {
      return await reply;
    } finally {
      timeout?.clear();
    }
  };
};
