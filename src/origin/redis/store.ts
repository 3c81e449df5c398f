/** The port to Redis and its two drivers, with the circuit breaker and telemetry around every command. */
import { Redis as UpstashRedis } from "@upstash/redis";
import { Redis as TcpRedis } from "ioredis";
import { isJsonObject } from "../../lib/json-object.ts";
import type { Breaker } from "../../resilience/circuit-breaker/circuit-breaker.ts";
import { type ObserveData, observed } from "../db/instrument.ts";
import type { OriginLog } from "../log/log.ts";

export interface RedisStore {
  ping(): Promise<void>;
  /** A section of INFO, as text. @throws an error if Redis forbids it */
  info(section: string): Promise<string>;
  hashField(name: string, field: string): Promise<string | null>;
  /**
   * Replaces a whole hash atomically: readers see the old one or the new one. Without fields it is removed.
   *
   * @param ttlMs time to live, milliseconds @default unlimited
   */
  replaceHash(name: string, fields: Readonly<Record<string, string>>, ttlMs?: number): Promise<void>;
  /** @param ttlMs the new time to live, milliseconds */
  expire(name: string, ttlMs: number): Promise<void>;
  /** Takes the name for `ttlMs` milliseconds. @returns whether it was free */
  setIfAbsent(name: string, ttlMs: number): Promise<boolean>;
  /** Sets the claim if its name is free, then reads `names`, in one round trip. */
  claimAndRead(
    claim: Claim,
    names: readonly string[],
  ): Promise<{ readonly claimed: boolean; readonly values: readonly (string | null)[] }>;
  /** Several values in one round trip; null where there is none. */
  values(names: readonly string[]): Promise<readonly (string | null)[]>;
  /**
   * Names that begin with the prefix, in no order, found in steps that do not hold up other clients.
   *
   * @param maxSteps of a thousand names, of all that Redis has
   */
  namesWith(prefix: string, maxSteps: number): Promise<string[]>;
  set(name: string, value: string, ttlMs: number): Promise<void>;
  remove(name: string): Promise<void>;
  /** Runs a Lua script, which must return text, or a list of texts. */
  evaluate(script: string, keys: readonly string[], values: readonly string[]): Promise<unknown>;
  /** Runs a script by its SHA-1 digest. @throws an error that contains NOSCRIPT if Redis does not have it */
  evaluateKnown(digest: string, keys: readonly string[], values: readonly string[]): Promise<unknown>;
  /** The same store and connection. While the breaker is open, commands are rejected at once; all are reported. */
  instrumented(by: RedisInstruments): RedisStore;
  close(): Promise<void>;
}

export interface RedisInstruments {
  readonly breaker?: Breaker;
  readonly observe?: ObserveData;
}

export interface Claim {
  readonly name: string;
  /** Identifies the owner of the claim. */
  readonly value: string;
  readonly ttlMs: number;
}

/** Limit of one command, milliseconds. */
const COMMAND_TIMEOUT_MS = 2_000;

/** A probe may take slightly longer than a command. Commands are so cheap that recovery needs no ramp. */
export const REDIS_BREAKER = { halfOpenTimeoutMs: COMMAND_TIMEOUT_MS + 500, rampMs: 0 };

/** Limit of one HSET, UTF-16 units, so that a large snapshot neither blocks Redis nor exceeds the HTTP body limit. */
const LENGTH_PER_COMMAND = 128 * 1_024;
/** A process that dies before the rename leaves the temporary hash behind for this long, seconds. */
const TEMPORARY_TTL_S = 60;

/** Names that one SCAN looks at. */
const SCAN_COUNT = 1_000;

type Run = (name: string, ...args: readonly (string | number)[]) => Promise<unknown>;

interface Driver extends Pick<RedisStore, "claimAndRead" | "close"> {
  readonly run: Run;
}

/** Splits fields into the arguments of one command each; a field above the limit is a part by itself. */
const inParts = (entries: readonly (readonly [string, string])[]): string[][] => {
  const parts: string[][] = [];
  let length = Number.POSITIVE_INFINITY;
  for (const entry of entries) {
    const added = entry.join("").length;
    length += added;
    if (length <= LENGTH_PER_COMMAND) parts.at(-1)?.push(...entry);
    else {
      parts.push([...entry]);
      length = added;
    }
  }
  return parts;
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

const storeOf = (driver: Driver, { breaker, observe }: RedisInstruments = {}): RedisStore => {
  const command = <T>(operation: string, work: () => Promise<T>): Promise<T> =>
    observed(observe, { system: "redis", operation }, () => breaker?.run(work, () => "failure") ?? work());
  const run: Run = (name, ...args) => command(name, () => driver.run(name, ...args));
  return {
    ping: async () => void (await run("PING")),
    info: async (section) => String(await run("INFO", section)),
    hashField: async (name, field) => {
      const value = await run("HGET", name, field);
      return typeof value === "string" ? value : null;
    },
    values: async (names) => {
      const values = names.length === 0 ? [] : await run("MGET", ...names);
      return Array.isArray(values) ? values.map((value) => (typeof value === "string" ? value : null)) : [];
    },
    namesWith: async (prefix, maxSteps) => {
      const pattern = `${prefix.replaceAll(/[\\*?[\]]/g, "\\$&")}*`;
      const found = new Set<string>();
      let cursor = "0";
      for (let step = 0; step < maxSteps; step += 1) {
        const reply = await run("SCAN", cursor, "MATCH", pattern, "COUNT", SCAN_COUNT);
        const [next, names] = Array.isArray(reply) ? reply : [];
        if (Array.isArray(names)) for (const name of names) found.add(String(name));
        cursor = String(next ?? "0");
        if (cursor === "0") break;
      }
      return [...found];
    },
    replaceHash: (name, fields, ttlMs) => command("HSET", () => replaceHash(driver.run, name, fields, ttlMs)),
    expire: async (name, ttlMs) => void (await run("PEXPIRE", name, ttlMs)),
    setIfAbsent: (name, ttlMs) =>
      command("SET", async () => {
        const claim = { name, value: crypto.randomUUID(), ttlMs };
        const { claimed, values } = await driver.claimAndRead(claim, [name]);
        // After a lost connection the driver sends a command again, which then finds its own claim.
        return claimed || values[0] === claim.value;
      }),
    claimAndRead: (claim, names) => command("PIPELINE", () => driver.claimAndRead(claim, names)),
    set: async (name, value, ttlMs) => void (await run("SET", name, value, "PX", ttlMs)),
    remove: async (name) => void (await run("DEL", name)),
    evaluate: (script, keys, values) => run("EVAL", script, keys.length, ...keys, ...values),
    evaluateKnown: (digest, keys, values) => run("EVALSHA", digest, keys.length, ...keys, ...values),
    instrumented: (by) => storeOf(driver, by),
    close: driver.close,
  };
};

const overHttp = (url: string, token: string): Driver => {
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
    run: (...command) => redis.exec(command),
    claimAndRead: async ({ name, value, ttlMs }, names) => {
      const [set, values] = await redis
        .pipeline()
        .set(name, value, { nx: true, px: ttlMs })
        .mget<(string | null)[]>(...names)
        .exec();
      return { claimed: set !== null, values };
    },
    close: async () => undefined,
  };
};

/** Minimum between two new connections because of a replica, milliseconds: reads need the connection, too. */
const RENEWAL_INTERVAL_MS = 1_000;
/** ioredis: fail the command, or send it again on the new connection. */
const RECONNECT = 1;
const RECONNECT_AND_RESEND = 2;

/**
 * Whether an error reply ends the connection. After a failover, the connection may lead to what is now a replica; a command that it
 * refused was not executed. If the database cannot be selected, ioredis would use database 0.
 */
const reconnectOnError = (log: OriginLog) => {
  let renewedAtMs = Number.NEGATIVE_INFINITY;
  return (error: Error) => {
    if ("command" in error && isJsonObject(error.command) && error.command["name"] === "select") {
      log.error({ reason: error.message }, "the database of redis.url cannot be used");
      return RECONNECT;
    }
    // Within a script, the code is not at the beginning.
    if (!/\b(?:READONLY|MASTERDOWN)\b/.test(error.message)) return false;
    if (performance.now() - renewedAtMs < RENEWAL_INTERVAL_MS) return false;
    renewedAtMs = performance.now();
    log.warn("Redis has become a replica: connecting again");
    return RECONNECT_AND_RESEND;
  };
};

const overTcp = (url: string, log: OriginLog): Driver => {
  const redis = new TcpRedis(url, {
    enableAutoPipelining: true,
    commandTimeout: COMMAND_TIMEOUT_MS,
    connectTimeout: COMMAND_TIMEOUT_MS,
    maxRetriesPerRequest: 1,
    enableOfflineQueue: true,
    reconnectOnError: reconnectOnError(log),
  });
  redis.on("error", (error) => log.debug({ err: error }, "connection to Redis failed"));
  return {
    run: (name, ...args) => redis.call(name, ...args),
    claimAndRead: async ({ name, value, ttlMs }, names) => {
      // Automatic pipelining sends both together, in this order.
      const [set, values] = await Promise.all([
        redis.set(name, value, "PX", ttlMs, "NX"),
        redis.mget(...names),
      ]);
      return { claimed: set !== null, values };
    },
    close: async () => redis.disconnect(),
  };
};

/** The URL's scheme chooses the driver: HTTP (Upstash's REST protocol, with the token) or TCP. */
export const connectRedis = (url: string, token: string | undefined, log: OriginLog): RedisStore =>
  storeOf(url.startsWith("http") ? overHttp(url, token ?? "") : overTcp(url, log));
