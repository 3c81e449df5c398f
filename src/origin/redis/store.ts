/** The port to Redis, and what wraps it: the circuit breaker and telemetry. */
import type { Breaker } from "../../resilience/circuit-breaker/circuit-breaker.ts";
import { type ObserveData, observed } from "../db/instrument.ts";

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
