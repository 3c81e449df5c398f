/** The port to Redis, and its two drivers: by the URL's scheme, HTTP (Upstash's REST protocol) or TCP. */
import { Redis as UpstashRedis } from "@upstash/redis";
import { Redis as TcpRedis } from "ioredis";
import type { Breaker } from "../../resilience/circuit-breaker/circuit-breaker.ts";
import type { OriginLog } from "../log/log.ts";
import { type ObserveData, observed } from "./observe.ts";

export interface RedisStore {
  ping(): Promise<void>;
  hashField(name: string, field: string): Promise<string | null>;
  /**
   * Puts a whole hash in the place of another; readers see the old one or the new one.
   *
   * @param ttlMs for so long it is kept, milliseconds @default for ever
   */
  replaceHash(name: string, fields: Readonly<Record<string, string>>, ttlMs?: number): Promise<void>;
  /** What is there under the name is forgotten after the time, milliseconds. */
  expire(name: string, ttlMs: number): Promise<void>;
  removeHash(name: string): Promise<void>;
  /** Whether the name was free; it is taken for the time, milliseconds. */
  setIfAbsent(name: string, ttlMs: number): Promise<boolean>;
  /** What is there under each name, in their order. */
  values(names: readonly string[]): Promise<readonly (string | null)[]>;
  /** Both of the above, in this order and in one round trip. */
  claimAndRead(claim: Claim, names: readonly string[]): Promise<ClaimedValues>;
  set(name: string, value: string, ttlMs: number): Promise<void>;
  remove(name: string): Promise<void>;
  /** Runs a script in Lua; what it returns is to be made of text. */
  evaluate(script: string, keys: readonly string[], values: readonly string[]): Promise<unknown>;
  /** Runs a script that Redis knows already, by its digest. @throws an error that says NOSCRIPT where it does not */
  evaluateKnown(digest: string, keys: readonly string[], values: readonly string[]): Promise<unknown>;
  close(): Promise<void>;
}

export interface Claim {
  readonly name: string;
  /** By which whoever has it can be told from others. */
  readonly value: string;
  readonly ttlMs: number;
}

export interface ClaimedValues {
  /** Whether the name was free; it is taken for the time. */
  readonly claimed: boolean;
  /** As they were afterwards. */
  readonly values: readonly (string | null)[];
}

/** No caller waits longer for one command. */
const COMMAND_TIMEOUT_MS = 2_000;

/**
 * What Redis' breaker has of its own: a probe may take as long as a command, and a little more; and so little is a
 * command to Redis that none is held back once it is there.
 */
export const REDIS_BREAKER = { halfOpenTimeoutMs: COMMAND_TIMEOUT_MS + 500, rampMs: 0 };
/** What one command writes: a snapshot of any size never blocks Redis for long, and fits into what it takes over HTTP. */
const FIELDS_PER_COMMAND = 1_000;
const LENGTH_PER_COMMAND = 512 * 1_024;
/** What is not renamed into its place within this time is left over from a process that died, seconds. */
const UNFINISHED_TTL_S = 60;

interface HashCommands {
  del(name: string): Promise<unknown>;
  hset(name: string, fields: Record<string, string>): Promise<unknown>;
  expire(name: string, seconds: number): Promise<unknown>;
  persist(name: string): Promise<unknown>;
  pexpire(name: string, milliseconds: number): Promise<unknown>;
  rename(from: string, to: string): Promise<unknown>;
}

/** In parts that one command may write; a larger field is a part of its own. */
const inParts = (entries: readonly (readonly [string, string])[]): Record<string, string>[] => {
  const parts: Record<string, string>[] = [];
  let part: [string, string][] = [];
  let length = 0;
  for (const [name, value] of entries) {
    const isFull = part.length === FIELDS_PER_COMMAND || length + value.length > LENGTH_PER_COMMAND;
    if (isFull && part.length > 0) {
      parts.push(Object.fromEntries(part));
      part = [];
      length = 0;
    }
    part.push([name, value]);
    length += name.length + value.length;
  }
  return [...parts, Object.fromEntries(part)];
};

const replaceHash = async (
  redis: HashCommands,
  name: string,
  fields: Readonly<Record<string, string>>,
  ttlMs?: number,
): Promise<void> => {
  const entries = Object.entries(fields);
  // To Redis a hash without fields is none.
  if (entries.length === 0) return void (await redis.del(name));
  const unfinished = `${name}:${crypto.randomUUID()}`;
  for (const [index, part] of inParts(entries).entries()) {
    await redis.hset(unfinished, part);
    if (index === 0) await redis.expire(unfinished, UNFINISHED_TTL_S);
  }
  if (ttlMs === undefined) await redis.persist(unfinished);
  else await redis.pexpire(unfinished, ttlMs);
  await redis.rename(unfinished, name);
};

const overHttp = (url: string, token: string): RedisStore => {
  const redis = new UpstashRedis({
    url,
    token,
    automaticDeserialization: false,
    enableTelemetry: false,
    retry: false,
    signal: () => AbortSignal.timeout(COMMAND_TIMEOUT_MS),
  });
  return {
    ping: async () => void (await redis.ping()),
    hashField: (name, field) => redis.hget<string>(name, field),
    replaceHash: (name, fields, ttlMs) => replaceHash(redis, name, fields, ttlMs),
    expire: async (name, ttlMs) => void (await redis.pexpire(name, ttlMs)),
    removeHash: async (name) => void (await redis.del(name)),
    setIfAbsent: async (name, ttlMs) => (await redis.set(name, "1", { nx: true, px: ttlMs })) !== null,
    values: (names) => redis.mget<(string | null)[]>(...names),
    claimAndRead: async ({ name, value, ttlMs }, names) => {
      const [set, values] = await redis
        .pipeline()
        .set(name, value, { nx: true, px: ttlMs })
        .mget<(string | null)[]>(...names)
        .exec();
      return { claimed: set !== null, values };
    },
    set: async (name, value, ttlMs) => void (await redis.set(name, value, { px: ttlMs })),
    remove: async (name) => void (await redis.del(name)),
    evaluate: (script, keys, values) => redis.eval(script, [...keys], [...values]),
    evaluateKnown: (digest, keys, values) => redis.evalsha(digest, [...keys], [...values]),
    close: async () => undefined,
  };
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
  return {
    ping: async () => void (await redis.ping()),
    hashField: (name, field) => redis.hget(name, field),
    replaceHash: (name, fields, ttlMs) => replaceHash(redis, name, fields, ttlMs),
    expire: async (name, ttlMs) => void (await redis.pexpire(name, ttlMs)),
    removeHash: async (name) => void (await redis.del(name)),
    setIfAbsent: async (name, ttlMs) => (await redis.set(name, "1", "PX", ttlMs, "NX")) !== null,
    values: (names) => redis.mget(...names),
    claimAndRead: async ({ name, value, ttlMs }, names) => {
      // Written in one turn, they go out together, and in this order.
      const [set, values] = await Promise.all([
        redis.set(name, value, "PX", ttlMs, "NX"),
        redis.mget(...names),
      ]);
      return { claimed: set !== null, values };
    },
    set: async (name, value, ttlMs) => void (await redis.set(name, value, "PX", ttlMs)),
    remove: async (name) => void (await redis.del(name)),
    evaluate: (script, keys, values) => redis.eval(script, keys.length, ...keys, ...values),
    evaluateKnown: (digest, keys, values) => redis.evalsha(digest, keys.length, ...keys, ...values),
    close: async () => redis.disconnect(),
  };
};

/** @param token for a URL over HTTP */
export const connectRedis = (url: string, token: string | undefined, log: OriginLog): RedisStore =>
  url.startsWith("http") ? overHttp(url, token ?? "") : overTcp(url, log);

const everyErrorFails = () => "failure" as const;

/** Does one command. @param command its name */
type Around = <T>(command: string, work: () => Promise<T>) => Promise<T>;

const around = (redis: RedisStore, run: Around): RedisStore => ({
  ping: () => run("PING", () => redis.ping()),
  hashField: (name, field) => run("HGET", () => redis.hashField(name, field)),
  replaceHash: (name, fields, ttlMs) => run("HSET", () => redis.replaceHash(name, fields, ttlMs)),
  expire: (name, ttlMs) => run("PEXPIRE", () => redis.expire(name, ttlMs)),
  removeHash: (name) => run("DEL", () => redis.removeHash(name)),
  setIfAbsent: (name, ttlMs) => run("SET", () => redis.setIfAbsent(name, ttlMs)),
  values: (names) => run("MGET", () => redis.values(names)),
  claimAndRead: (claim, names) => run("PIPELINE", () => redis.claimAndRead(claim, names)),
  set: (name, value, ttlMs) => run("SET", () => redis.set(name, value, ttlMs)),
  remove: (name) => run("DEL", () => redis.remove(name)),
  evaluate: (script, keys, values) => run("EVAL", () => redis.evaluate(script, keys, values)),
  evaluateKnown: (digest, keys, values) => run("EVALSHA", () => redis.evaluateKnown(digest, keys, values)),
  close: () => redis.close(),
});

/** The same Redis under a breaker: while that is open every command is refused at once. */
export const underBreaker = (redis: RedisStore, breaker: Breaker): RedisStore =>
  around(redis, (_, work) => breaker.run(work, everyErrorFails));

/** The same Redis, and somebody who is told of each command. */
export const observedRedis = (redis: RedisStore, observe: ObserveData): RedisStore =>
  around(redis, (operation, work) => observed(observe, { system: "redis", operation }, work));
