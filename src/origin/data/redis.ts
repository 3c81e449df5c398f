/** The port to Redis, and its two drivers: by the URL's scheme, HTTP (Upstash's REST protocol) or TCP. */
import { Redis as UpstashRedis } from "@upstash/redis";
import { Redis as TcpRedis } from "ioredis";
import type { Breaker } from "../../core/breaker/breaker.ts";
import type { OriginLog } from "../log.ts";

export interface RedisStore {
  ping(): Promise<void>;
  hashField(name: string, field: string): Promise<string | null>;
  /** Puts a whole hash in the place of another; readers see the old one or the new one. */
  replaceHash(name: string, fields: Readonly<Record<string, string>>): Promise<void>;
  removeHash(name: string): Promise<void>;
  /** Whether the name was free; it is taken for the time. */
  setIfAbsent(name: string, seconds: number): Promise<boolean>;
  close(): Promise<void>;
}

/** No caller waits longer for one command. */
const COMMAND_TIMEOUT_MS = 2_000;

/** While it is open nobody waits for Redis at all; a probe may take as long as a command, and a little more. */
export const REDIS_BREAKER = {
  timeoutMs: 500,
  maxTimeoutMs: 5_000,
  halfOpenTimeoutMs: COMMAND_TIMEOUT_MS + 500,
  rampMs: 0,
};
/** Fields that one command writes: a snapshot of any size never blocks Redis for long. */
const FIELDS_PER_COMMAND = 1_000;
/** What is not renamed into its place within this time is left over from a process that died, seconds. */
const UNFINISHED_TTL_S = 60;

interface HashCommands {
  del(name: string): Promise<unknown>;
  hset(name: string, fields: Record<string, string>): Promise<unknown>;
  expire(name: string, seconds: number): Promise<unknown>;
  persist(name: string): Promise<unknown>;
  rename(from: string, to: string): Promise<unknown>;
}

const replaceHash = async (
  redis: HashCommands,
  name: string,
  fields: Readonly<Record<string, string>>,
): Promise<void> => {
  const entries = Object.entries(fields);
  // To Redis a hash without fields is none.
  if (entries.length === 0) return void (await redis.del(name));
  const unfinished = `${name}:${crypto.randomUUID()}`;
  for (let from = 0; from < entries.length; from += FIELDS_PER_COMMAND) {
    await redis.hset(unfinished, Object.fromEntries(entries.slice(from, from + FIELDS_PER_COMMAND)));
    if (from === 0) await redis.expire(unfinished, UNFINISHED_TTL_S);
  }
  await redis.persist(unfinished);
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
    replaceHash: (name, fields) => replaceHash(redis, name, fields),
    removeHash: async (name) => void (await redis.del(name)),
    setIfAbsent: async (name, seconds) => (await redis.set(name, "1", { nx: true, ex: seconds })) !== null,
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
    replaceHash: (name, fields) => replaceHash(redis, name, fields),
    removeHash: async (name) => void (await redis.del(name)),
    setIfAbsent: async (name, seconds) => (await redis.set(name, "1", "EX", seconds, "NX")) !== null,
    close: async () => redis.disconnect(),
  };
};

/** @param token for a URL over HTTP */
export const connectRedis = (url: string, token: string | undefined, log: OriginLog): RedisStore =>
  url.startsWith("http") ? overHttp(url, token ?? "") : overTcp(url, log);

const everyErrorFails = () => "failure" as const;

/** The same Redis under a breaker: while that is open every command is refused at once. */
export const underBreaker = (redis: RedisStore, breaker: Breaker): RedisStore => {
  const run = <T>(command: () => Promise<T>): Promise<T> => breaker.run(command, everyErrorFails);
  return {
    ping: () => run(() => redis.ping()),
    hashField: (name, field) => run(() => redis.hashField(name, field)),
    replaceHash: (name, fields) => run(() => redis.replaceHash(name, fields)),
    removeHash: (name) => run(() => redis.removeHash(name)),
    setIfAbsent: (name, seconds) => run(() => redis.setIfAbsent(name, seconds)),
    close: () => redis.close(),
  };
};
