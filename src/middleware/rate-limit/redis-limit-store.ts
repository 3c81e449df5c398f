/** The limiter's store in Redis, over any client that runs a script. */
import { publishedOverridesName } from "./limit-key.ts";
import type { BucketAsk, BucketReply, LimitStore } from "./limit-store.ts";
import { TAKE } from "./take-tokens.lua.ts";

export interface RedisLimitStoreOptions {
  /** Prefix of every Redis key. */
  readonly keyPrefix: string;
  /**
   * Flags for a `#!lua flags=` line. On Upstash, `allow-key-locking` lets the script run beside others instead of locking
   * the whole database; stock Redis rejects that flag. @default no such line
   */
  readonly scriptFlags?: string | undefined;
  /**
   * Runs a script, by its digest or by its text, and bounds its duration. Throws what Redis rejects as an error whose
   * message contains Redis's own.
   */
  readonly run: (
    command: "EVALSHA" | "EVAL",
    script: string,
    keys: readonly string[],
    values: readonly string[],
  ) => Promise<unknown>;
}

const FIELDS_PER_BUCKET = 5;

const sha1Of = async (script: string): Promise<string> => {
  const digest = await crypto.subtle.digest("SHA-1", new TextEncoder().encode(script));
  return Array.from(new Uint8Array(digest), (byte) => byte.toString(16).padStart(2, "0")).join("");
};

const argumentsOf = ({ rule, need, want, share, isDryRun, overrideField }: BucketAsk): string[] =>
  [rule.capacity, rule.refillPerSecond, need, want, share, isDryRun ? 1 : 0, overrideField ?? ""].map(String);

const readReply = (reply: unknown, count: number): BucketReply[] => {
  const numbers = Array.isArray(reply) ? reply.slice(1).map(Number) : [];
  if (numbers.length !== count * FIELDS_PER_BUCKET || numbers.some(Number.isNaN))
    throw new TypeError("unexpected reply from Redis to the limiter's script");
  return Array.from({ length: count }, (_, index) => {
    const fields = numbers.slice(index * FIELDS_PER_BUCKET, (index + 1) * FIELDS_PER_BUCKET);
    const [granted = 0, available = 0, capacity = 0, refillPerSecond = 0, waitMs = 0] = fields;
    return { granted, available, rule: { capacity, refillPerSecond }, waitMs };
  });
};

export const createRedisLimitStore = ({
  keyPrefix,
  scriptFlags,
  run,
}: RedisLimitStoreOptions): LimitStore => {
  const script = scriptFlags === undefined ? TAKE : `#!lua flags=${scriptFlags}${TAKE}`;
  let sha1: string | undefined;

  /** Redis caches the script when it receives its text. */
  const runScript = async (keys: readonly string[], values: readonly string[]): Promise<unknown> => {
    // Concurrent requests may each compute it: on Workers they must not await each other's promises.
    sha1 ??= await sha1Of(script);
    try {
      return await run("EVALSHA", sha1, keys, values);
    } catch (error) {
      if (!(error instanceof Error && /\bNOSCRIPT\b/.test(error.message))) throw error;
      return await run("EVAL", script, keys, values);
    }
  };

  return {
    take: async (asks) => {
      const keys = asks.map(({ bucket }) => `${keyPrefix}limit:${bucket}`);
      if (asks.some(({ overrideField }) => overrideField !== undefined))
        keys.push(publishedOverridesName(keyPrefix));
      const reply = await runScript(keys, [String(asks.length), ...asks.flatMap(argumentsOf)]);
      return readReply(reply, asks.length);
    },
  };
};
