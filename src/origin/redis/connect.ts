/** The two drivers for Redis, by the URL's scheme: HTTP (Upstash's REST protocol) or TCP. */
import { Redis as UpstashRedis } from "@upstash/redis";
import { Redis as TcpRedis } from "ioredis";
import type { OriginLog } from "../log/log.ts";
import { COMMAND_TIMEOUT_MS, type RedisStore } from "./store.ts";

/** Limits of one HSET, so that a large snapshot neither blocks Redis nor exceeds the HTTP body limit. */
const FIELDS_PER_COMMAND = 1_000;
const LENGTH_PER_COMMAND = 512 * 1_024;
/** A process that dies before the rename leaves the temporary hash behind for this long, seconds. */
const TEMPORARY_TTL_S = 60;

interface HashCommands {
  del(name: string): Promise<unknown>;
  hset(name: string, fields: Record<string, string>): Promise<unknown>;
  expire(name: string, seconds: number): Promise<unknown>;
  persist(name: string): Promise<unknown>;
  pexpire(name: string, milliseconds: number): Promise<unknown>;
  rename(from: string, to: string): Promise<unknown>;
}

/** Splits fields into parts for one command each; a field above the limit is a part by itself. */
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
  if (entries.length === 0) return void (await redis.del(name));
  const temporary = `${name}:${crypto.randomUUID()}`;
  for (const [index, part] of inParts(entries).entries()) {
    await redis.hset(temporary, part);
    if (index === 0) await redis.expire(temporary, TEMPORARY_TTL_S);
  }
  if (ttlMs === undefined) await redis.persist(temporary);
  else await redis.pexpire(temporary, ttlMs);
  await redis.rename(temporary, name);
};

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
  return {
    ping: async () => void (await redis.ping()),
    hashField: (name, field) => redis.hget<string>(name, field),
    replaceHash: (name, fields, ttlMs) => replaceHash(redis, name, fields, ttlMs),
    expire: async (name, ttlMs) => void (await redis.pexpire(name, ttlMs)),
    setIfAbsent: async (name, ttlMs) => (await redis.set(name, "1", { nx: true, px: ttlMs })) !== null,
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
    setIfAbsent: async (name, ttlMs) => (await redis.set(name, "1", "PX", ttlMs, "NX")) !== null,
    claimAndRead: async ({ name, value, ttlMs }, names) => {
      // Automatic pipelining sends both together, in this order.
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
