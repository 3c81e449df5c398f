/**
 * The shared guards at an origin without an edge (`server.guards: origin`), for compose or behind a gateway.
 * Only their stores differ from the edge's.
 */
import type { MiddlewareHandler } from "hono";
import { edgeRoutes } from "../contract/edge-manifest.ts";
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
import type { OriginDependencies } from "./app.ts";
import type { OriginConfiguration } from "./config/schema.ts";
import { timedScope } from "./db/database.ts";
import type { PostgresPool } from "./db/postgres.ts";
import type { OriginLog } from "./log/log.ts";
import { sentBody } from "./middleware/read-body.ts";
import type { RedisStore } from "./redis/store.ts";

interface OriginGuardsDeps
  extends Pick<OriginDependencies, "routes" | "database" | "securityEvents" | "log" | "now"> {
  readonly configuration: OriginConfiguration;
  readonly redis: RedisStore;
  /** Without the breaker, which the limiter uses itself. */
  readonly limitRedis: RedisStore;
  readonly redisBreaker: Breaker;
  readonly observe: GuardDeps["observe"];
}

/** An error response of Redis, by its name in the drivers: Redis is up. */
const isErrorReply = (error: unknown): boolean =>
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
    if (list === undefined) throw new Error("the compiled blocklist is unreadable");
    return { version, list };
  };
};

/** The longest wait of a request for the database, milliseconds. */
const KEY_TIMEOUT_MS = 1_000;

/** API keys from the database; while it is down, from the last published snapshot. */
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

export const limitStoreOf = (redis: RedisStore, keyPrefix: string): LimitStore =>
  createRedisLimitStore({
    keyPrefix,
    run: (command, script, keys, values) =>
      command === "EVAL" ? redis.evaluate(script, keys, values) : redis.evaluateKnown(script, keys, values),
  });

export const originGuards = (deps: OriginGuardsDeps): readonly MiddlewareHandler[] => {
  const { configuration, database, redis, limitRedis, securityEvents, redisBreaker, observe, now } = deps;
  const config = configuration.guards;
  const { keyPrefix } = configuration.redis;
  return guards({
    routes: edgeRoutes(deps.routes),
    config,
    loadBlocklist: blocklistSource(database),
    lookUpKey: keyLookup(database, redis, keyPrefix),
    fetch,
    bodyOf: sentBody,
    limiter: createRateLimiter({
      options: { leaseMs: config.RATE_LIMIT_LEASE_MS, deadlineMs: config.REDIS_TIMEOUT_MS },
      store: limitStoreOf(limitRedis, keyPrefix),
      breaker: redisBreaker,
      judge: (error) => (isErrorReply(error) ? "success" : "failure"),
      now,
    }),
    recordEvent: (occurrence) => securityEvents.record(occurrence),
    observe,
    log: guardLog(deps.log),
    now,
  });
};
