/** Redis with a span for each command of a request whose trace is kept. */
import type { RedisClient } from "../redis-client.ts";
import type { ActiveTrace } from "./active-trace.ts";

/** @param now epoch milliseconds */
export const tracedRedis = (redis: RedisClient, active: ActiveTrace, now: () => number): RedisClient => ({
  command: (...parts) => {
    const command = active.get()?.beginCommand(String(parts[0]).toUpperCase(), now());
    const reply = redis.command(...parts);
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
  },
});
