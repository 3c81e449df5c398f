/** The store that all isolates share: its names, and its implementation in Redis over any client that runs a script. */

import { sha1 } from "@noble/hashes/legacy.js";
import { bytesToHex, utf8ToBytes } from "@noble/hashes/utils.js";
import type { Limit } from "../../contract/policy.ts";
import type { BucketRule } from "./token-bucket.ts";

export interface BucketAsk {
  /** Isolates that name the same bucket share it. */
  readonly bucket: string;
  /** Field of the published overrides that may replace the rule; undefined if none can. */
  readonly overrideField: string | undefined;
  readonly rule: BucketRule;
  /** With fewer tokens the request is rejected; 0 if it needs none now. */
  readonly need: number;
  /** Tokens to take if there are plenty: see `inAdvance`. */
  readonly want: number;
  /** Largest share of the available tokens that is granted beyond the need. */
  readonly share: number;
  /** Only counts: a shortage rejects nothing. */
  readonly isDryRun: boolean;
}

export interface BucketReply {
  /** Tokens taken; 0 in every bucket if one of them rejects. */
  readonly granted: number;
  /** Tokens left after that. */
  readonly available: number;
  /** The rule in force, which may be an override. */
  readonly rule: BucketRule;
  /** Milliseconds until the needed tokens are available; 0 if they are. */
  readonly waitMs: number;
}

export interface LimitStore {
  /**
   * Takes tokens from all buckets or from none, in one round trip, by the store's own clock.
   *
   * @returns one reply per bucket, in the same order
   * @throws any error if the store does not answer in time
   */
  take(asks: readonly BucketAsk[]): Promise<readonly BucketReply[]>;
}

export interface LimitedClient {
  /** The address of the client, or its /64 for IPv6. */
  readonly network: string;
  /** Undefined for an anonymous request. */
  readonly principal: string | undefined;
}

export interface LimitKey {
  /** Never empty, and unique to the limit and client. */
  readonly bucket: string;
  readonly overrideField: string | undefined;
}

/** By the principal, if the limit is per principal and the request has one; else by the client's network. */
export const limitKey = ({ name, per }: Limit, { network, principal }: LimitedClient): LimitKey =>
  per === "principal" && principal !== undefined
    ? { bucket: `${name}:p:${principal}`, overrideField: overrideField(name, principal) }
    : { bucket: `${name}:c:${network}`, overrideField: undefined };

/** What the Redis names of all buckets begin with. */
export const bucketPrefix = (prefix: string): string => `${prefix}limit:`;

/** The Redis hash of the published overrides. */
export const publishedOverridesName = (prefix: string): string => `${prefix}limit-overrides`;

/** Unambiguous, because a limit's name has no colon. */
export const overrideField = (limitName: string, principal: string): string => `${limitName}:${principal}`;

/** The format that the script parses. */
export const writeOverride = ({ capacity, refillPerSecond }: BucketRule): string =>
  `${capacity} ${refillPerSecond}`;

/**
 * Takes tokens from all of several buckets or from none, by Redis's own clock.
 *
 * A bucket is the text `LEVEL MICROSECONDS`: the tokens taken and not yet refilled, and the time of that level. A missing
 * bucket is full, so keys expire when their bucket is full again. After a failover the stored time can be in the future;
 * the bucket then refills from now on.
 *
 * KEYS: the buckets; then the hash of overrides, if any bucket can have one. ARGV: the number of buckets; then per bucket
 * its capacity, refill per second, need, want, share, "1" for a dry run, and its override field or "". A bucket grants the
 * need, or the want as far as the share of the available tokens allows, if that is more: see `inAdvance`.
 *
 * Returns text, because Redis truncates Lua numbers: "1", or "0" if a bucket has too few tokens and none was taken; then
 * per bucket the tokens granted, those left, the capacity and refill in force, and the milliseconds until the need is met.
 */
const TAKE = `
local time = redis.call('TIME')
local now = tonumber(time[1]) * 1000000 + tonumber(time[2])
local count = tonumber(ARGV[1])
local unpack = unpack or table.unpack
local fields, fieldOf = {}, {}
for i = 1, count do
  local field = ARGV[7 * i + 1]
  if field ~= '' then
    fields[#fields + 1] = field
    fieldOf[i] = #fields
  end
end
local stored = redis.call('MGET', unpack(KEYS, 1, count))
local overrides = {}
if #fields > 0 then overrides = redis.call('HMGET', KEYS[count + 1], unpack(fields)) end
local function pair(text)
  local first, second = string.match(text or '', '^(%S+) (%S+)$')
  return tonumber(first or ''), tonumber(second or '')
end
local buckets, isRejected = {}, false
for i = 1, count do
  local at = 7 * i - 5
  local capacity, refill = tonumber(ARGV[at]), tonumber(ARGV[at + 1])
  local otherCapacity, otherRefill = pair(overrides[fieldOf[i]])
  if otherCapacity and otherRefill and otherCapacity > 0 and otherCapacity <= 1000000000
    and otherRefill >= 0.000001 and otherRefill <= 1000000 then
    capacity, refill = otherCapacity, otherRefill
  end
  local level = 0
  local storedLevel, since = pair(stored[i])
  if storedLevel and since then
    level = math.max(0, math.min(storedLevel, capacity) - math.max(0, now - since) * refill / 1000000)
  end
  local need, isDryRun = tonumber(ARGV[at + 2]), ARGV[at + 5] == '1'
  local available = capacity - level
  local wait = 0
  if available + 0.000000001 < need then
    wait = math.ceil((need - available) / refill * 1000)
    need = 0
    isRejected = isRejected or not isDryRun
  end
  buckets[i] = {
    capacity = capacity, refill = refill, level = level, need = need, want = tonumber(ARGV[at + 3]),
    share = tonumber(ARGV[at + 4]), wait = wait, isAhead = storedLevel and since and since > now
  }
end
local reply = {isRejected and '0' or '1'}
for i = 1, count do
  local bucket = buckets[i]
  local granted = 0
  if not isRejected then
    granted = bucket.need
    if bucket.wait == 0 then
      local available = bucket.capacity - bucket.level
      local spare = available * bucket.share * (available / bucket.capacity) ^ (1 - bucket.share)
      granted = math.max(granted, math.min(bucket.want, math.floor(spare)))
    end
  end
  if granted > 0 or bucket.isAhead then
    bucket.level = bucket.level + granted
    local lifetime = math.min(31536000000, math.ceil(bucket.level / bucket.refill * 1000) + 1000)
    redis.call('SET', KEYS[i], string.format('%.17g %.0f', bucket.level, now), 'PX', string.format('%.0f', lifetime))
  end
  local numbers = {granted, bucket.capacity - bucket.level, bucket.capacity, bucket.refill, bucket.wait}
  for j = 1, 5 do reply[#reply + 1] = string.format('%.17g', numbers[j]) end
end
return reply`;

export interface RedisLimitStoreOptions {
  /** Prefix of every Redis key. */
  readonly keyPrefix: string;
  /**
   * Flags for a `#!lua flags=` line. On Upstash, `allow-key-locking` lets the script run beside others instead of locking
   * the whole database; stock Redis rejects that flag. @default no such line
   */
  readonly scriptFlags?: string | undefined;
  /**
   * Runs a script, by its digest or by its text, and bounds its duration. If Redis rejects it, the message of the error
   * thrown contains Redis's own.
   */
  readonly run: (
    command: "EVALSHA" | "EVAL",
    script: string,
    keys: readonly string[],
    values: readonly string[],
  ) => Promise<unknown>;
}

const FIELDS_PER_BUCKET = 5;

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
  const digest = bytesToHex(sha1(utf8ToBytes(script)));

  /** Redis caches the script when it receives its text. */
  const runScript = async (keys: readonly string[], values: readonly string[]): Promise<unknown> => {
    try {
      return await run("EVALSHA", digest, keys, values);
    } catch (error) {
      if (!(error instanceof Error && /\bNOSCRIPT\b/.test(error.message))) throw error;
      return await run("EVAL", script, keys, values);
    }
  };

  return {
    take: async (asks) => {
      const keys = asks.map(({ bucket }) => `${bucketPrefix(keyPrefix)}${bucket}`);
      if (asks.some((ask) => ask.overrideField !== undefined)) keys.push(publishedOverridesName(keyPrefix));
      const reply = await runScript(keys, [String(asks.length), ...asks.flatMap(argumentsOf)]);
      return readReply(reply, asks.length);
    },
  };
};
