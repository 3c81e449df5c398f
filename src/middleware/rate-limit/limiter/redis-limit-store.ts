/** The limiter's store in Redis, over whatever sends a command. */
import { publishedOverridesName } from "./published-overrides.ts";
import type { BucketAsk, BucketReply, LimitStore } from "./store.ts";
import { TAKE } from "./take-tokens.lua.ts";

export interface RedisLimitStoreOptions {
  /** With which every key in Redis begins. */
  readonly keyPrefix: string;
  /**
   * What stands behind `#!lua flags=` in the script's first line. Upstash lets a script with `allow-key-locking` run
   * beside others, where one without locks the whole database; Redis itself refuses that flag.
   *
   * @default no such line
   */
  readonly scriptFlags?: string | undefined;
  /**
   * Runs a script, by its digest or whole, and bounds how long that may take. What Redis refuses is an error whose
   * message has its words.
   */
  readonly run: (
    command: "EVALSHA" | "EVAL",
    script: string,
    keys: readonly string[],
    values: readonly string[],
  ) => Promise<unknown>;
}

const FIELDS_A_BUCKET = 5;

const isUnknownScript = (error: unknown): boolean =>
  error instanceof Error && /\bNOSCRIPT\b/.test(error.message);

const hexadecimal = (bytes: Uint8Array): string =>
  Array.from(bytes, (byte) => byte.toString(16).padStart(2, "0")).join("");

/** By what Redis knows a script. */
const nameOf = async (script: string): Promise<string> =>
  hexadecimal(new Uint8Array(await crypto.subtle.digest("SHA-1", new TextEncoder().encode(script))));

const argumentsOf = ({ rule, need, want, share, isDryRun, overrideField }: BucketAsk): string[] =>
  [rule.capacity, rule.refillPerSecond, need, want, share, isDryRun ? 1 : 0, overrideField ?? ""].map(String);

const readReply = (reply: unknown, count: number): BucketReply[] => {
  if (!Array.isArray(reply)) throw new TypeError("Redis answered the limiter with something else");
  const numbers = reply.slice(1).map(Number);
  if (numbers.length !== count * FIELDS_A_BUCKET || numbers.some(Number.isNaN))
    throw new TypeError("Redis answered the limiter with something else");
  return Array.from({ length: count }, (_, index) => {
    const from = index * FIELDS_A_BUCKET;
    const [granted = 0, available = 0, capacity = 0, refillPerSecond = 0, waitMs = 0] = numbers.slice(
      from,
      from + FIELDS_A_BUCKET,
    );
    return { granted, available, rule: { capacity, refillPerSecond }, waitMs };
  });
};

export const createRedisLimitStore = ({
  keyPrefix,
  scriptFlags,
  run,
}: RedisLimitStoreOptions): LimitStore => {
  const script = scriptFlags === undefined ? TAKE : `#!lua flags=${scriptFlags}${TAKE}`;
  let name: string | undefined;

  /** By its name where Redis has it, else whole, whereby it has it from then on. */
  const runKnown = async (keys: readonly string[], values: readonly string[]): Promise<unknown> => {
    // Two requests may both find it out: to wait for another one's promise is forbidden to a Worker's.
    name ??= await nameOf(script);
    try {
      return await run("EVALSHA", name, keys, values);
    } catch (error) {
      if (!isUnknownScript(error)) throw error;
      return await run("EVAL", script, keys, values);
    }
  };

  return {
    take: async (asks) => {
      const keys = asks.map(({ bucket }) => `${keyPrefix}limit:${bucket}`);
      if (asks.some(({ overrideField }) => overrideField !== undefined))
        keys.push(publishedOverridesName(keyPrefix));
      const reply = await runKnown(keys, [String(asks.length), ...asks.flatMap(argumentsOf)]);
      return readReply(reply, asks.length);
    },
  };
};
