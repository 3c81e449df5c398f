/**
 * The shared guards, mounted by an origin without an edge (`server.guards: origin`): for compose, and behind a gateway. They
 * differ from the edge's in their stores alone.
 */
import type { MiddlewareHandler } from "hono";
import { edgeRoutes } from "../contract/edge-manifest.ts";
import type { Routes } from "../contract/route.ts";
import {
  type KeyLookup,
  publishedKeysName,
  readKeyRecord,
  VERSION_FIELD,
} from "../middleware/auth/api-keys.ts";
import { readBlocklist } from "../middleware/blocklist/blocklist.ts";
import type { LoadBlocklist } from "../middleware/blocklist/snapshot.ts";
import { type GuardDeps, guards } from "../middleware/guards.ts";
import type { Log } from "../middleware/problems/index.ts";
import { createRedisLimitStore, type LimitStore } from "../middleware/rate-limit/limit-store.ts";
import { createRateLimiter } from "../middleware/rate-limit/limiter.ts";
import type { Breaker } from "../resilience/circuit-breaker/circuit-breaker.ts";
import { compiledBlocklist } from "./admin/blocklist/store.ts";
import { findKey } from "./admin/keys.ts";
import type { OriginConfiguration } from "./config/schema.ts";
import { timedScope } from "./db/database.ts";
import type { PostgresPool } from "./db/postgres.ts";
import type { OriginLog } from "./log/log.ts";
import type { SecurityEvents } from "./outbox/security-events.ts";
import type { RedisStore } from "./redis/store.ts";

export interface OriginGuardsDeps {
  readonly configuration: OriginConfiguration;
  readonly routes: Routes;
  readonly database: PostgresPool;
  readonly redis: RedisStore;
  /** Without its breaker: the limiter asks that itself. */
  readonly limitRedis: RedisStore;
  readonly redisBreaker: Breaker;
  readonly securityEvents: SecurityEvents;
  readonly observe: GuardDeps["observe"];
  readonly log: OriginLog;
  /** Epoch milliseconds. */
  readonly now: () => number;
}

/** What Redis itself refused: it is up. By the names that its drivers give such an error. */
const isRefusal = (error: unknown): boolean =>
  error instanceof Error && ["ReplyError", "UpstashError"].includes(error.name);

const guardLog =
  (log: OriginLog): Log =>
  ({ level, message, ...entry }) =>
    level === "info" ? log.info(entry, String(message)) : log.warn(entry, String(message));

const BLOCKLIST_TIMEOUT_MS = 5_000;

/** The blocklist, compiled from the database. */
const blocklistSource = (database: PostgresPool): LoadBlocklist => {
  const compiled = compiledBlocklist();
  return async (current) => {
    const scope = timedScope("guard_blocklist", BLOCKLIST_TIMEOUT_MS, true);
    const { version, bytes } = await compiled(database.within(scope));
    if (version === current?.version) return current;
    const list = readBlocklist(bytes);
    if (list === undefined) throw new Error("the compiled blocklist is not readable");
    return { version, list };
  };
};

/** A request waits for the database at most this long, milliseconds. */
const KEY_TIMEOUT_MS = 1_000;

/** API keys from the database, or as they were published last while it is down. */
const keyLookup = (database: PostgresPool, redis: RedisStore, keyPrefix: string): KeyLookup => {
  const name = publishedKeysName(keyPrefix);

  const fromSnapshot: KeyLookup = async (id) => {
    const [version, text] = await Promise.all([
      redis.hashField(name, VERSION_FIELD),
      redis.hashField(name, id),
    ]);
    if (!version) return { kind: "unavailable" };
    const record = readKeyRecord(id, text ?? "");
    return record === undefined ? { kind: "unknown" } : { kind: "found", record };
  };

  return async (id, c) => {
    try {
      const record = await findKey(database.within(timedScope("guard_key", KEY_TIMEOUT_MS, true)), id);
      return record === undefined ? { kind: "unknown" } : { kind: "found", record };
    } catch {
      return await fromSnapshot(id, c).catch(() => ({ kind: "unavailable" as const }));
    }
  };
};

/** The limiter's store. */
export const limitStoreOf = (redis: RedisStore, keyPrefix: string): LimitStore =>
  createRedisLimitStore({
    keyPrefix,
    run: (command, script, keys, values) =>
      command === "EVAL" ? redis.evaluate(script, keys, values) : redis.evaluateKnown(script, keys, values),
  });

export const originGuards = (deps: OriginGuardsDeps): readonly MiddlewareHandler[] => {
  const { configuration, database, redis, limitRedis, securityEvents, redisBreaker, now } = deps;
  const {
    guards: config,
    redis: { keyPrefix },
  } = configuration;
  const log = guardLog(deps.log);
  return guards({
    routes: edgeRoutes(deps.routes),
    config,
    loadBlocklist: blocklistSource(database),
    lookUpKey: keyLookup(database, redis, keyPrefix),
    fetch,
    limiter: createRateLimiter({
      options: { leaseMs: config.RATE_LIMIT_LEASE_MS, deadlineMs: config.REDIS_TIMEOUT_MS },
      store: limitStoreOf(limitRedis, keyPrefix),
      breaker: redisBreaker,
      judge: (error) => (isRefusal(error) ? "success" : "failure"),
      now,
    }),
    recordEvent: (occurrence) => securityEvents.record(occurrence),
    observe: deps.observe,
    log,
    now,
  });
};
