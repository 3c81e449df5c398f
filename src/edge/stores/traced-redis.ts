/** Redis with a client span per command of a sampled request. A span has the command's name, and nothing of its arguments. */
import { SpanKind, SpanStatusCode, trace } from "@opentelemetry/api";
import type { RedisCommand } from "./redis.ts";

const nameOf = (error: unknown): string => (error instanceof Error ? error.name : "_OTHER");

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
      span.setAttribute("error.type", nameOf(error)).setStatus({ code: SpanStatusCode.ERROR });
      throw error;
    } finally {
      span.end();
    }
  };
