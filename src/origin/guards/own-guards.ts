/** The edge's guards, run by an origin that has no edge before it (`server.guards: origin`), as one middleware. */
import { setTimeout as pause } from "node:timers/promises";
import type { Registry } from "prom-client";
import { contract } from "../../contract/contract.ts";
import { type EdgeRoutes, edgeRoutes } from "../../contract/edge-manifest.ts";
import { keyCredentials } from "../../middleware/auth/api-keys.ts";
import { readBlocklist } from "../../middleware/blocklist/blocklist.ts";
import { heldBlocklist } from "../../middleware/blocklist/snapshot.ts";
import { type Exchange, type GuardedRequest, routed } from "../../middleware/exchange.ts";
import { guardChain, passGuards } from "../../middleware/guards.ts";
import { problemResponse } from "../../middleware/problems/problem-response.ts";
import { compileRoutes } from "../../middleware/route-policy/route-table.ts";
import type { HeaderFields } from "../../middleware/screening/headers.ts";
import { occurrenceOf } from "../../middleware/security-report.ts";
import type { Breaker } from "../../resilience/circuit-breaker/circuit-breaker.ts";
import { compiledBlocklist } from "../blocklist/compiled-blocklist.ts";
import type { OriginConfiguration } from "../config/configuration.ts";
import { timedScope } from "../data/database.ts";
import type { PostgresPool } from "../data/postgres.ts";
import type { RedisStore } from "../data/redis.ts";
import type { OriginLog } from "../log/log.ts";
import { createLimitMetrics } from "../metrics/limit-metrics.ts";
import type { OriginContext, OriginMiddleware } from "../middleware/context.ts";
import type { SecurityEvents } from "../security-events/security-events.ts";
import { ownKeyLookup } from "./own-keys.ts";
import { ownLimits } from "./own-limits.ts";
import { ownTokens } from "./own-tokens.ts";

export interface OriginGuardsDependencies {
  readonly database: PostgresPool;
  readonly redis: RedisStore;
  /** Without its breaker: the limiter asks that itself. */
  readonly unguardedRedis: RedisStore;
  readonly redisBreaker: Breaker;
  readonly securityEvents: SecurityEvents;
  readonly registry: Registry;
  readonly log: OriginLog;
  /** Epoch milliseconds. */
  readonly now: () => number;
}

const BLOCKLIST_TIMEOUT_MS = 5_000;

const endingIn = (ms: number) => {
  const controller = new AbortController();
  const timer = setTimeout(() => controller.abort(), Math.max(0, ms));
  return { signal: controller.signal, clear: () => clearTimeout(timer) };
};

/** Each as it was received: `c.req` joins repeated fields. */
const fieldsOf = (c: OriginContext): HeaderFields => {
  const raw = c.env?.incoming?.rawHeaders;
  if (raw === undefined) return c.req.raw.headers;
  return Array.from({ length: raw.length / 2 }, (_, index): [string, string] => [
    raw[2 * index] ?? "",
    raw[2 * index + 1] ?? "",
  ]);
};

const requestOf = (c: OriginContext): GuardedRequest => ({
  method: c.req.method,
  headers: {
    get: (name) => c.req.header(name) ?? null,
    has: (name) => c.req.header(name) !== undefined,
  },
  get body() {
    const announced = c.req.header("content-length");
    const isThere = (announced !== undefined && announced !== "0") || c.req.header("transfer-encoding");
    return isThere ? c.req.raw.body : null;
  },
});

const fieldsFor = ({ corsHeaders, limitHeaders }: Exchange): Readonly<Record<string, string>> => ({
  ...corsHeaders,
  ...limitHeaders,
});

export const originGuards = (
  { redis: { keyPrefix }, security }: OriginConfiguration,
  dependencies: OriginGuardsDependencies,
): readonly OriginMiddleware[] => {
  const { database, redis, securityEvents, log, now } = dependencies;
  const routes: EdgeRoutes = edgeRoutes(contract);
  const compiled = compiledBlocklist();
  const blocklist = heldBlocklist({
    load: async (known) => {
      const { version, bytes } = await compiled(
        database.within(timedScope("guard_blocklist", BLOCKLIST_TIMEOUT_MS, true)),
      );
      if (version === known?.version) return known;
      const list = readBlocklist(bytes);
      if (list === undefined) throw new Error("the blocklist cannot be read");
      return { version, list };
    },
    pause: (ms) => pause(ms),
    now,
    log: ({ message, level, ...entry }) =>
      level === "info" ? log.info(entry, String(message)) : log.warn(entry, String(message)),
  });
  const guards = guardChain({
    table: compileRoutes(routes),
    blocklist,
    keys: keyCredentials({
      lookup: ownKeyLookup(database, redis, keyPrefix),
      now,
      ahead: () => undefined,
    }),
    tokens: ownTokens(security, now, log),
    limits: ownLimits({
      redis: dependencies.unguardedRedis,
      breaker: dependencies.redisBreaker,
      keyPrefix,
      enforcement: security.rateLimits,
      log,
      observe: createLimitMetrics(dependencies.registry),
      now,
    }),
    body: { now, endingIn },
    now,
    reportSecurity: (exchange, finding) => securityEvents.record(occurrenceOf(exchange, finding, now())),
  });

  const open = (c: OriginContext): Exchange => ({
    request: requestOf(c),
    requestId: c.get("requestId"),
    ...c.get("target"),
    fields: fieldsOf(c),
    client: c.get("client"),
    verdict: { auth: "none" },
    limits: [],
    isExplained: false,
    inBackground: c.get("waitUntil"),
  });

  const guard: OriginMiddleware = async (c, next) => {
    const exchange = open(c);
    const result = await passGuards(guards, exchange);
    if (result === undefined) {
      c.set("identity", exchange.verdict);
      c.set("deadlineAtMs", routed(exchange).deadlineAtMs);
      c.set("body", exchange.body);
      await next();
    } else {
      c.res = result instanceof Response ? result : problemResponse(result, exchange.requestId);
    }
    for (const [name, value] of Object.entries(fieldsFor(exchange))) c.res.headers.set(name, value);
    return undefined;
  };
  return [guard];
};
