/** Redis with a span per command of a sampled request. */
import type { RedisCommand } from "../stores/redis.ts";
import type { ActiveTrace } from "./tracing.ts";

/** @param now epoch milliseconds */
export const tracedRedis =
  (redis: RedisCommand, active: ActiveTrace, now: () => number): RedisCommand =>
  (...parts) => {
    const command = active.get()?.beginCommand(parts[0].toUpperCase(), now());
    const reply = redis(...parts);
    if (command === undefined) return reply;
    return reply.then(
      (value) => {
        command.end(undefined, now());
        return value;
      },
      (error: unknown) => {
        command.end(error, now());
        throw error;
      },
    );
  };
