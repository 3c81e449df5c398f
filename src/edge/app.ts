/** The edge as a Hono application: the guards, in the order in which a request meets them. */
import type { Context } from "hono";
import { Hono } from "hono/tiny";
import { problem } from "../contract/problem.ts";
import type { Routes } from "../contract/route.ts";
import { problemResponse } from "../core/http/problem-response.ts";
import { compileRoutes } from "../core/routing/table.ts";
import type { AttemptEvent } from "./attempt-events.ts";
import { dependencyBreaker } from "./breakers.ts";
import { cachedForward } from "./cache/cached-forward.ts";
import type { EdgeStore } from "./cache/edge-store.ts";
import { type EdgeConfiguration, originBreaker } from "./configuration.ts";
import { type Exchange, type Guard, openExchange } from "./exchange.ts";
import { explained } from "./explanation.ts";
import { createForward } from "./forward.ts";
import { authenticationGuard } from "./guards/authenticate.ts";
import { bodyGuard } from "./guards/body.ts";
import { routeGuard } from "./guards/route.ts";
import { createKeyLookup } from "./key-lookup.ts";
import { createOriginClient } from "./origin-client.ts";
import type { RedisClient } from "./redis-client.ts";

export interface EdgeDependencies {
  readonly configuration: EdgeConfiguration;
  readonly routes: Routes;
  readonly redis: RedisClient;
  readonly store: EdgeStore;
  readonly fetch: typeof globalThis.fetch;
  /** Epoch milliseconds. */
  readonly now: () => number;
  /** Within [0, 1). */
  readonly random: () => number;
  /** Takes what is for operators' eyes. */
  readonly log: (entry: Readonly<Record<string, unknown>>) => void;
  /** Told of every attempt at an origin. @default nobody is */
  readonly observe?: (event: AttemptEvent) => void;
}

/**
 * While it is open keys are asked for at an origin, which is slower: it is tried again soon. A probe may take twice as
 * long as any command does.
 */
const REDIS_BREAKER = { timeoutMs: 500, maxTimeoutMs: 5_000, halfOpenTimeoutMs: 300, rampMs: 1_000 };

export const createEdge = (dependencies: EdgeDependencies): Hono => {
  const { configuration, routes, redis, now, log } = dependencies;
  const client = createOriginClient(configuration.ORIGINS, configuration.SIGNING_KEYS[0], dependencies, {
    breaker: originBreaker(configuration),
    retryPercent: configuration.RETRY_BUDGET_PERCENT,
    hedgePercent: configuration.HEDGE_BUDGET_PERCENT,
  });
  const redisBreaker = dependencyBreaker("redis", REDIS_BREAKER, dependencies);
  const lookup = createKeyLookup(redis, redisBreaker, configuration.REDIS_KEY_PREFIX, client);

  const guards: readonly Guard[] = [
    routeGuard(compileRoutes(routes), now),
    authenticationGuard(lookup, now),
    bodyGuard,
    cachedForward(createForward(client), dependencies),
  ];

  const app = new Hono();
  app.all("*", async (c) => {
    const exchange = openExchange(c.req.raw, backgroundOf(c));
    try {
      return await passThrough(guards, exchange);
    } catch (error) {
      log({ level: "error", message: "unhandled", requestId: exchange.requestId, error: String(error) });
      return problemResponse(problem("internal"), exchange.requestId);
    }
  });
  return app;
};

/** The platform ends a request's work with its answer, unless it is told of it. */
const backgroundOf = (c: Context): Exchange["inBackground"] => {
  let context: Pick<ExecutionContext, "waitUntil"> | undefined;
  try {
    context = c.executionCtx;
  } catch {
    // Not on the platform: nothing ends it.
  }
  return (work) => {
    const quiet = work.catch(() => undefined);
    context?.waitUntil(quiet);
  };
};

/** The first guard that answers or refuses ends the way. */
const passThrough = async (guards: readonly Guard[], exchange: Exchange): Promise<Response> => {
  for (const guard of guards) {
    // A guard that decides at once costs no turn of the event loop.
    const pending = guard(exchange);
    const result = pending instanceof Promise ? await pending : pending;
    if (result === undefined) continue;
    const given = result instanceof Response ? result : problemResponse(result, exchange.requestId);
    const answer = exchange.isExplained ? explained(given, exchange) : given;
    return exchange.corsHeaders === undefined ? answer : withHeaders(answer, exchange.corsHeaders);
  }
  throw new Error("no guard answered");
};

const withHeaders = (answer: Response, headers: Readonly<Record<string, string>>): Response => {
  const copy = new Response(answer.body, answer);
  for (const [name, value] of Object.entries(headers)) {
    if (name === "vary") copy.headers.append(name, value);
    else copy.headers.set(name, value);
  }
  return copy;
};
