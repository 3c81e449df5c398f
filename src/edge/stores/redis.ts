/** Redis over HTTP, by @upstash/redis: every command of the edge. */
import { SpanKind, SpanStatusCode, trace } from "@opentelemetry/api";
import { Redis } from "@upstash/redis/cloudflare";
import { type Timeout, timeoutSignal } from "../../lib/async.ts";

export type RedisReply = string | number | null | readonly RedisReply[];

/**
 * Sends one command, once.
 *
 * @throws an error named `UpstashError` if Redis rejects the command; another one if no reply arrives in time
 */
export type RedisCommand = (...parts: [string, ...(string | number)[]]) => Promise<RedisReply>;

interface RedisOptions {
  readonly url: string;
  readonly token: string;
  /** Limit for the whole reply, milliseconds. */
  readonly timeoutMs: number;
}

/** Errors of a Redis that is up but cannot serve: they count as failures. */
const UNUSABLE = /^(?:WRONGPASS|NOAUTH|LOADING|READONLY|MISCONF|NOREPLICAS|OOM|MASTERDOWN|CLUSTERDOWN)\b/;
const REDIS_CODE = /^[A-Z]+ /;

/** Whether Redis rejected the command itself, such as by `NOSCRIPT …`. */
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
    // The callers handle failures. `retry: false` would still send twice.
    retry: { retries: 0, backoff: () => 0 },
    // Deserialization would turn "1.5" into 1.5, and "true" into true.
    automaticDeserialization: false,
    responseEncoding: false,
    readYourWrites: false,
    // Pipelining would share a promise between requests, which Workers forbid.
    enableAutoPipelining: false,
    enableTelemetry: false,
    // Called for each command while it is being sent.
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

/** Adds a client span to each command of a sampled request, with the command's name but not its arguments. */
export const tracedRedis =
  (redis: RedisCommand): RedisCommand =>
  async (...parts) => {
    if (trace.getActiveSpan() === undefined) return await redis(...parts);
    const name = parts[0].toUpperCase();
    const span = trace.getTracer("breakwater").startSpan(name, {
      kind: SpanKind.CLIENT,
      attributes: { "db.system.name": "redis", "db.operation.name": name },
    });
    try {
      return await redis(...parts);
    } catch (error) {
      const errorType = error instanceof Error ? error.name : "_OTHER";
      span.setAttribute("error.type", errorType).setStatus({ code: SpanStatusCode.ERROR });
      throw error;
    } finally {
      span.end();
    }
  };
