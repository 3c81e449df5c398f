/** The port to Redis, its two drivers, and what wraps it: the circuit breaker and telemetry. */
import { Redis as UpstashRedis } from "@upstash/redis";
import { Redis as TcpRedis } from "ioredis";
import type { Breaker } from "../../resilience/circuit-breaker/circuit-breaker.ts";
import { type ObserveData, observed } from "../db/instrument.ts";
import type { OriginLog } from "../log/log.ts";

export interface RedisStore {
  ping(): Promise<void>;
  hashField(name: string, field: string): Promise<string | null>;
  /**
   * Replaces a whole hash atomically: readers see the old one or the new one. Without fields it is removed.
   *
   * @param ttlMs time to live, milliseconds @default unlimited
   */
  replaceHash(name: string, fields: Readonly<Record<string, string>>, ttlMs?: number): Promise<void>;
  /** @param ttlMs the new time to live, milliseconds */
  expire(name: string, ttlMs: number): Promise<void>;
  /** @returns true if the name was free; it is taken for `ttlMs` milliseconds then */
  setIfAbsent(name: string, ttlMs: number): Promise<boolean>;
  /** Sets the claim if its name is free, then reads `names`, in one round trip. */
  claimAndRead(claim: Claim, names: readonly string[]): Promise<ClaimedValues>;
  set(name: string, value: string, ttlMs: number): Promise<void>;
  remove(name: string): Promise<void>;
  /** Runs a Lua script, which must return text, or a list of texts. */
  evaluate(script: string, keys: readonly string[], values: readonly string[]): Promise<unknown>;
  /** Runs a script by its SHA-1 digest. @throws an error that contains NOSCRIPT if Redis does not have it */
  evaluateKnown(digest: string, keys: readonly string[], values: readonly string[]): Promise<unknown>;
  close(): Promise<void>;
}

export interface Claim {
  readonly name: string;
  /** Identifies the owner of the claim. */
  readonly value: string;
  readonly ttlMs: number;
}

interface ClaimedValues {
  /** Whether the name was free. */
  readonly claimed: boolean;
  /** Read after the claim, in the order of the names. */
  readonly values: readonly (string | null)[];
}

/** Limit of one command, milliseconds. */
export const COMMAND_TIMEOUT_MS = 2_000;

/**
 * Breaker options for Redis: a probe may take slightly longer than a command. Commands are so cheap that recovery
 * needs no ramp.
 */
export const REDIS_BREAKER = { halfOpenTimeoutMs: COMMAND_TIMEOUT_MS + 500, rampMs: 0 };

/** Limits of one HSET, so that a large snapshot neither blocks Redis nor exceeds the HTTP body limit. */
const FIELDS_PER_COMMAND = 1_000;
const LENGTH_PER_COMMAND = 512 * 1_024;
/** A process that dies before the rename leaves the temporary hash behind for this long, seconds. */
const TEMPORARY_TTL_S = 60;

/** Sends one command. */
type Run = (name: string, ...args: readonly (string | number)[]) => Promise<unknown>;

/** Splits fields into the arguments of one command each; a field above the limit is a part by itself. */
const inParts = (entries: readonly (readonly [string, string])[]): string[][] => {
  const parts: string[][] = [];
  let part: string[] = [];
  let length = 0;
  for (const [name, value] of entries) {
    const isFull = part.length === 2 * FIELDS_PER_COMMAND || length + value.length > LENGTH_PER_COMMAND;
    if (isFull && part.length > 0) {
      parts.push(part);
      part = [];
      length = 0;
    }
    part.push(name, value);
    length += name.length + value.length;
  }
  return [...parts, part];
};

const replaceHash = async (
  run: Run,
  name: string,
  fields: Readonly<Record<string, string>>,
  ttlMs?: number,
): Promise<void> => {
  const entries = Object.entries(fields);
  if (entries.length === 0) return void (await run("DEL", name));
  const temporary = `${name}:${crypto.randomUUID()}`;
  for (const [index, part] of inParts(entries).entries()) {
    await run("HSET", temporary, ...part);
    if (index === 0) await run("EXPIRE", temporary, TEMPORARY_TTL_S);
  }
  if (ttlMs === undefined) await run("PERSIST", temporary);
  else await run("PEXPIRE", temporary, ttlMs);
  await run("RENAME", temporary, name);
};

const storeOf = (run: Run, others: Pick<RedisStore, "claimAndRead" | "close">): RedisStore => ({
  ...others,
  ping: async () => void (await run("PING")),
  hashField: async (name, field) => {
    const value = await run("HGET", name, field);
    return typeof value === "string" ? value : null;
  },
  replaceHash: (name, fields, ttlMs) => replaceHash(run, name, fields, ttlMs),
  expire: async (name, ttlMs) => void (await run("PEXPIRE", name, ttlMs)),
  setIfAbsent: async (name, ttlMs) => (await run("SET", name, "1", "PX", ttlMs, "NX")) !== null,
  set: async (name, value, ttlMs) => void (await run("SET", name, value, "PX", ttlMs)),
  remove: async (name) => void (await run("DEL", name)),
  evaluate: (script, keys, values) => run("EVAL", script, keys.length, ...keys, ...values),
  evaluateKnown: (digest, keys, values) => run("EVALSHA", digest, keys.length, ...keys, ...values),
});

const overHttp = (url: string, token: string): RedisStore => {
  const redis = new UpstashRedis({
    url,
    token,
    automaticDeserialization: false,
    enableAutoPipelining: false,
    enableTelemetry: false,
    readYourWrites: false,
    responseEncoding: false,
    // `retry: false` still sends a failed command twice.
    retry: { retries: 0, backoff: () => 0 },
    signal: () => AbortSignal.timeout(COMMAND_TIMEOUT_MS),
  });
  return storeOf((...command) => redis.exec(command), {
    claimAndRead: async ({ name, value, ttlMs }, names) => {
      const [set, values] = await redis
        .pipeline()
        .set(name, value, { nx: true, px: ttlMs })
        .mget<(string | null)[]>(...names)
        .exec();
      return { claimed: set !== null, values };
    },
    close: async () => undefined,
  });
};

const overTcp = (url: string, log: OriginLog): RedisStore => {
  const redis = new TcpRedis(url, {
    enableAutoPipelining: true,
    commandTimeout: COMMAND_TIMEOUT_MS,
    connectTimeout: COMMAND_TIMEOUT_MS,
    maxRetriesPerRequest: 1,
    enableOfflineQueue: true,
  });
  redis.on("error", (error) => log.debug({ err: error }, "connection to Redis failed"));
  return storeOf((name, ...args) => redis.call(name, ...args), {
    claimAndRead: async ({ name, value, ttlMs }, names) => {
      // Automatic pipelining sends both together, in this order.
      const [set, values] = await Promise.all([
        redis.set(name, value, "PX", ttlMs, "NX"),
        redis.mget(...names),
      ]);
      return { claimed: set !== null, values };
    },
    close: async () => redis.disconnect(),
  });
};

/**
 * The URL's scheme chooses the driver: HTTP (Upstash's REST protocol) or TCP.
 *
 * @param token for a URL over HTTP
 */
export const connectRedis = (url: string, token: string | undefined, log: OriginLog): RedisStore =>
  url.startsWith("http") ? overHttp(url, token ?? "") : overTcp(url, log);

type Wrap = <T>(command: string, run: () => Promise<T>) => Promise<T>;

const wrapped = (redis: RedisStore, wrap: Wrap): RedisStore => ({
  ping: () => wrap("PING", () => redis.ping()),
  hashField: (name, field) => wrap("HGET", () => redis.hashField(name, field)),
  replaceHash: (name, fields, ttlMs) => wrap("HSET", () => redis.replaceHash(name, fields, ttlMs)),
  expire: (name, ttlMs) => wrap("PEXPIRE", () => redis.expire(name, ttlMs)),
  setIfAbsent: (name, ttlMs) => wrap("SET", () => redis.setIfAbsent(name, ttlMs)),
  claimAndRead: (claim, names) => wrap("PIPELINE", () => redis.claimAndRead(claim, names)),
  set: (name, value, ttlMs) => wrap("SET", () => redis.set(name, value, ttlMs)),
  remove: (name) => wrap("DEL", () => redis.remove(name)),
  evaluate: (script, keys, values) => wrap("EVAL", () => redis.evaluate(script, keys, values)),
  evaluateKnown: (digest, keys, values) => wrap("EVALSHA", () => redis.evaluateKnown(digest, keys, values)),
  close: () => redis.close(),
});

const everyErrorFails = () => "failure" as const;

/** While the breaker is open every command is rejected at once. */
export const underBreaker = (redis: RedisStore, breaker: Breaker): RedisStore =>
  wrapped(redis, (_, run) => breaker.run(run, everyErrorFails));

/** Reports every command. */
export const observedRedis = (redis: RedisStore, observe: ObserveData): RedisStore =>
  wrapped(redis, (operation, run) => observed(observe, { system: "redis", operation }, run));
