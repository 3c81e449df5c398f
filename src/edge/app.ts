/** The edge as a Hono application: context, telemetry, guards, response cache, proxy to the origins. */
import { trace } from "@opentelemetry/api";
import type { Context } from "hono";
import { Hono } from "hono";
import type { EdgeRoutes } from "../contract/edge-manifest.ts";
import { problem } from "../contract/problem.ts";
import { type ContextPort, context } from "../middleware/context/index.ts";
import { cors } from "../middleware/cors/index.ts";
import { guards } from "../middleware/guards.ts";
import { type Log, problemResponse, problems } from "../middleware/problems/index.ts";
import { compileRoutes } from "../middleware/route-policy/route-table.ts";
import { coveredFieldsWith } from "../middleware/signature/sign.ts";
import { requestIdOf } from "../telemetry/trace-context.ts";
import { createRedisBreaker } from "./breakers.ts";
import { type EdgeConfig, originBreaker } from "./config.ts";
import { debugHeaders } from "./debug-headers.ts";
import type { EdgeEnv } from "./env.ts";
import { edgeGuardDeps } from "./guard-deps.ts";
import { createSecurityEventExporter } from "./security-event-exporter.ts";
import type { RedisCommand } from "./stores/redis.ts";
import { createEdgeResponseCache, type PlatformCache } from "./stores/response-cache.ts";
import { type EdgeTelemetry, telemetry } from "./telemetry/telemetry.ts";
import { createOriginClient } from "./upstream/client.ts";
import { proxy } from "./upstream/proxy.ts";

export interface EdgeDeps {
  readonly config: EdgeConfig;
  readonly routes: EdgeRoutes;
  readonly redis: RedisCommand;
  /** With a longer timeout, for the blocklist. @default no blocklist */
  readonly bulkRedis?: RedisCommand | undefined;
  readonly store: PlatformCache;
  readonly fetch: typeof globalThis.fetch;
  /** Epoch milliseconds. */
  readonly now: () => number;
  /** Within [0, 1). */
  readonly random: () => number;
  readonly log: Log;
  readonly telemetry: EdgeTelemetry;
}

/** The trace of a sampled request begins before this application is called. */
const activeRequestId = (): string | undefined => {
  const span = trace.getActiveSpan();
  return span && requestIdOf(span.spanContext().traceId);
};

const contextPort: ContextPort = {
  // The platform sets it on every request; a client could forge X-Forwarded-For.
  clientAddress: (c) => c.req.raw.headers.get("cf-connecting-ip"),
  waitUntil: (c, work) => c.executionCtx.waitUntil(work),
  requestId: activeRequestId,
};

/** In place of an edge that is not configured. */
export const createUnavailable = (routes: EdgeRoutes): Hono<EdgeEnv> =>
  new Hono<EdgeEnv>()
    .use(context(contextPort), cors(compileRoutes(routes)))
    .all("*", (c) => problemResponse(problem("unavailable"), c.get("requestId")));

export const createEdge = (deps: EdgeDeps): Hono<EdgeEnv> => {
  const { config, routes, now, log } = deps;
  const { observe, breakers, watchBalancer } = deps.telemetry.metrics;
  const signedFields = coveredFieldsWith(Object.values(routes).flatMap(({ fields }) => fields));
  const client = createOriginClient(
    config.ORIGINS,
    config.SIGNING_KEYS[0],
    { ...deps, signedFields, observe, breakers, watchBalancer },
    {
      breaker: originBreaker(config),
      retryPercent: config.RETRY_BUDGET_PERCENT,
      hedgePercent: config.HEDGE_BUDGET_PERCENT,
    },
  );
  const redisBreaker = createRedisBreaker({ ...deps, breakers });
  const events = createSecurityEventExporter({ client, now, log });
  const upstream = proxy(client);
  const responseCache = createEdgeResponseCache(deps).handler<Context<EdgeEnv>>({
    route: (c) => c.get("route").route,
    fill: (c, { isShared, cacheControl }) =>
      upstream(c, { without: isShared ? "if-none-match" : undefined, cacheControl }),
    waiter: (c) => ({ deadlineAtMs: c.get("deadlineAtMs") }),
  });

  return new Hono<EdgeEnv>()
    .use(
      context(contextPort),
      telemetry({ ...deps, events }),
      debugHeaders(),
      cors(compileRoutes(routes)),
      ...guards(edgeGuardDeps({ ...deps, client, redisBreaker, recordEvent: events.record, observe })),
    )
    .all("*", responseCache)
    .onError(problems(log));
};
