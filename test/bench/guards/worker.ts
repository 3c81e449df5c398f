/**
 * One application per stage, all in one isolate, with one and the same set of guards: isolates differ by more than a guard
 * costs. The origin's response is made here, because a second process would add more noise than most guards add time.
 */
import type { Context, ExecutionContext, MiddlewareHandler } from "hono";
import { Hono } from "hono/tiny";
import { contract } from "../../../src/contract/contract.ts";
import { type EdgeRoute, type EdgeRoutes, edgeRoutes } from "../../../src/contract/edge-manifest.ts";
import { EDGE_PATH, internalHeaders } from "../../../src/contract/internal-headers.ts";
import { createRedisBreaker } from "../../../src/edge/breakers.ts";
import { originBreaker, readEdgeConfig } from "../../../src/edge/config.ts";
import { debugHeaders } from "../../../src/edge/debug-headers.ts";
import type { EdgeEnv } from "../../../src/edge/env.ts";
import { edgeGuardDeps } from "../../../src/edge/guard-deps.ts";
import { createSecurityEventExporter } from "../../../src/edge/security-event-exporter.ts";
import { createRedis } from "../../../src/edge/stores/redis.ts";
import { createEdgeResponseCache, type PlatformCache } from "../../../src/edge/stores/response-cache.ts";
import { createEdgeMetrics } from "../../../src/edge/telemetry/metrics.ts";
import { telemetry } from "../../../src/edge/telemetry/telemetry.ts";
import { createOriginClient } from "../../../src/edge/upstream/client.ts";
import { proxy } from "../../../src/edge/upstream/proxy.ts";
import { context } from "../../../src/middleware/context/index.ts";
import { cors } from "../../../src/middleware/cors/index.ts";
import { guards } from "../../../src/middleware/guards.ts";
import { problems, securityHeaders } from "../../../src/middleware/problems/index.ts";
import { compileRoutes } from "../../../src/middleware/route-policy/route-table.ts";
import { writeEdgeContext } from "../../../src/middleware/signature/edge-context.ts";
import { coveredFieldsWith, signRequest } from "../../../src/middleware/signature/sign.ts";
import { createMetrics } from "../../../src/telemetry/meter-provider.ts";
import { ANSWER } from "../edge/answer.ts";
import { GUARDS, STAGE_FIELD, type Stage } from "./stages.ts";

type Environment = EdgeEnv["Bindings"];
type Handler = (c: Context<EdgeEnv>) => Response | Promise<Response>;

/** Rejects none of the requests. A strict limit would measure the round trip to Redis. */
const WIDE = { capacity: 1_000_000, refillPerSecond: 100_000, strict: false } as const;

const withWideLimits = (route: EdgeRoute): EdgeRoute => {
  const { policy } = route;
  const limit = (policy.limit ?? []).map((each) => ({ ...each, ...WIDE }));
  return { ...route, policy: { ...policy, limit } };
};

const wideRoutes = (routes: EdgeRoutes): EdgeRoutes =>
  Object.fromEntries(Object.entries(routes).map(([name, route]) => [name, withWideLimits(route)]));

const PRIVATE = {
  ...securityHeaders,
  "content-type": "application/json",
  "cache-control": "private, no-store",
};
const PUBLIC = { ...PRIVATE, "cache-control": "public, max-age=3600" };

/** The origin, without a network. The edge's own requests, for keys and events, still reach the stand-in. */
const fetchAnswer: typeof globalThis.fetch = async (input, init) => {
  const url = String(input);
  // A `Headers` object would cost as much as a guard.
  const requestId: unknown = Reflect.get(init?.headers ?? {}, internalHeaders.requestId);
  if (typeof requestId !== "string" || url.includes(EDGE_PATH)) return await fetch(input, init);
  const fields = url.includes("/v1/products") ? PUBLIC : PRIVATE;
  return new Response(ANSWER, { headers: { ...fields, [internalHeaders.requestId]: requestId } });
};

const noStore: PlatformCache = {
  match: async () => undefined,
  put: async (_, response) => void (await response.arrayBuffer()),
};

/** The platform's own cache has a cost that depends on the platform. */
const memoryStore = (): PlatformCache => {
  const entries = new Map<string, { body: string; headers: [string, string][] }>();
  return {
    match: async (key) => {
      const entry = entries.get(key);
      return entry && new Response(entry.body, { headers: entry.headers });
    },
    put: async (key, response) =>
      void entries.set(key, { body: await response.text(), headers: [...response.headers] }),
  };
};

const build = (environment: Environment): ReadonlyMap<string, Hono<EdgeEnv>> => {
  const reading = readEdgeConfig(environment);
  if (!reading.ok) throw new Error(reading.message);
  const { value: config } = reading;
  const { UPSTASH_REDIS_REST_URL: url, UPSTASH_REDIS_REST_TOKEN: token } = config;
  const metrics = createEdgeMetrics(createMetrics().meter, config.ORIGINS, "1");
  const { observe, breakers } = metrics;
  const log = () => undefined;
  const redis = createRedis({ url, token, timeoutMs: config.REDIS_TIMEOUT_MS });
  const deps = {
    config,
    routes: wideRoutes(edgeRoutes(contract)),
    redis,
    bulkRedis: redis,
    store: noStore,
    fetch: fetchAnswer,
    now: () => Date.now(),
    random: () => Math.random(),
    log,
    telemetry: { metrics, writeLine: log },
  };
  const { routes, now } = deps;
  const signedFields = coveredFieldsWith(Object.values(routes).flatMap(({ fields }) => fields));
  const [key] = config.SIGNING_KEYS;
  const authority = config.ORIGINS[0]?.authority ?? "";
  const client = createOriginClient(
    config.ORIGINS,
    key,
    { ...deps, signedFields, observe, breakers },
    {
      breaker: originBreaker(config),
      retryPercent: config.RETRY_BUDGET_PERCENT,
      hedgePercent: config.HEDGE_BUDGET_PERCENT,
    },
  );
  const events = createSecurityEventExporter({ client, now, log });
  const upstream = proxy(client);
  const before: readonly MiddlewareHandler[] = [
    context({
      clientAddress: (c) => c.req.raw.headers.get("cf-connecting-ip"),
      waitUntil: (c, work) => c.executionCtx.waitUntil(work),
    }),
    telemetry({ ...deps, events }),
    debugHeaders(),
    cors(compileRoutes(routes)),
  ];
  const redisBreaker = createRedisBreaker({ ...deps, breakers });
  const all = guards(edgeGuardDeps({ ...deps, client, redisBreaker, recordEvent: events.record, observe }));
  if (all.length !== GUARDS.length)
    throw new Error("stages.ts has not the guards of src/middleware/guards.ts");

  const respond: Handler = () => new Response(ANSWER, { headers: PRIVATE });
  const sign: Handler = async (c) => {
    const nowMs = now();
    const { path, query } = c.get("target");
    const { accept = "", "accept-language": language = "", "user-agent": agent = "" } = c.req.header();
    const headers = {
      accept,
      "accept-language": language,
      "user-agent": agent,
      [internalHeaders.requestId]: c.get("requestId"),
      [internalHeaders.context]: writeEdgeContext({
        client: c.get("client").name,
        identity: c.get("identity"),
        timeoutMs: c.get("deadlineAtMs") - nowMs,
        attempt: 1,
        parentSpanId: undefined,
      }),
    };
    const options = { nowMs, nonce: crypto.randomUUID(), names: signedFields };
    await signRequest(key, { method: c.req.method, path, query, authority }, headers, options);
    return respond(c);
  };
  const cached = (store: PlatformCache): Handler =>
    createEdgeResponseCache({ ...deps, store }).handler<Context<EdgeEnv>>({
      route: (c) => c.get("route").route,
      fill: (c, { isShared, cacheControl }) =>
        upstream(c, { without: isShared ? "if-none-match" : undefined, cacheControl }),
      waiter: (c) => ({ deadlineAtMs: c.get("deadlineAtMs") }),
    });

  const app = (middleware: readonly MiddlewareHandler[], handler: Handler): Hono<EdgeEnv> =>
    new Hono<EdgeEnv>()
      .use(...middleware)
      .all("*", handler)
      .onError(problems(log));
  const guarded = [...before, ...all];
  return new Map<Stage, Hono<EdgeEnv>>([
    ["bare", new Hono<EdgeEnv>().all("*", respond)],
    ["context", app(before, respond)],
    ...GUARDS.map((name, index) => [name, app([...before, ...all.slice(0, index + 1)], respond)] as const),
    ["signature", app(guarded, sign)],
    ["origin", app(guarded, (c) => upstream(c))],
    ["miss", app(guarded, cached(noStore))],
    ["hit", app(guarded, cached(memoryStore()))],
  ]);
};

let stages: ReadonlyMap<string, Hono<EdgeEnv>> | undefined;

export default {
  fetch: (request: Request, environment: Environment, executionContext: ExecutionContext) => {
    stages ??= build(environment);
    const stage = stages.get(request.headers.get(STAGE_FIELD) ?? "");
    return stage === undefined
      ? new Response("no such stage", { status: 501 })
      : stage.fetch(request, environment, executionContext);
  },
};
