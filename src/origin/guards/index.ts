/**
 * The shared guards, mounted by an origin without an edge (`server.guards: origin`): for compose, and behind a gateway. They
 * differ from the edge's in their stores alone.
 */
import type { MiddlewareHandler } from "hono";
import { edgeRoutes } from "../../contract/edge-manifest.ts";
import type { Routes } from "../../contract/route.ts";
import { type GuardDeps, guards } from "../../middleware/guards.ts";
import type { Log } from "../../middleware/problems/index.ts";
import { createRateLimiter } from "../../middleware/rate-limit/limiter.ts";
import type { Breaker } from "../../resilience/circuit-breaker/circuit-breaker.ts";
import type { OriginConfiguration } from "../config/schema.ts";
import type { PostgresPool } from "../db/postgres.ts";
import type { OriginLog } from "../log/log.ts";
import type { SecurityEvents } from "../outbox/security-events.ts";
import type { RedisStore } from "../redis/store.ts";
import { limitStoreOf, originBlocklistSource, originKeyLookup } from "./stores.ts";

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
    loadBlocklist: originBlocklistSource(database),
    lookUpKey: originKeyLookup(database, redis, keyPrefix),
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
