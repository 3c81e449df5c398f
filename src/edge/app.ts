/**
 * The edge: the guards, in the order in which a request meets them. It is no application of a framework's: every request
 * goes one way, and what a framework does before and behind it costs a sixth of what forwarding costs.
 */
import type { EdgeRoutes } from "../contract/edge-route.ts";
import { problem } from "../contract/problem.ts";
import type { Judgement } from "../core/breaker/judgement.ts";
import { problemResponse } from "../core/http/problem-response.ts";
import { createAdmit } from "../core/limiter/admit.ts";
import { createLimiter } from "../core/limiter/limiter.ts";
import { createPrepare } from "../core/limiter/prepare.ts";
import { createRedisLimitStore } from "../core/limiter/script/redis-limit-store.ts";
import { compileRoutes } from "../core/routing/table.ts";
import { coveredFieldsWith } from "../core/signature/edge-request.ts";
import type { AttemptEvent } from "./attempt-events.ts";
import { blocklistSource } from "./blocklist/blocklist-source.ts";
import { heldBlocklist } from "./blocklist/held-blocklist.ts";
import { dependencyBreaker } from "./breakers.ts";
import { cachedForward } from "./cache/cached-forward.ts";
import type { EdgeStore } from "./cache/edge-store.ts";
import { type EdgeConfiguration, originBreaker } from "./configuration.ts";
import { configuredTokens } from "./credentials/configured-tokens.ts";
import { keyCredentials } from "./credentials/key-credentials.ts";
import { createEventCourier } from "./event-courier.ts";
import { type Exchange, exchanges, type Guard } from "./exchange.ts";
import { explained } from "./explanation.ts";
import { createForward } from "./forward.ts";
import { authenticationGuard } from "./guards/authenticate.ts";
import { blocklistGuard } from "./guards/blocklist.ts";
import { bodyGuard } from "./guards/body.ts";
import { limitGuard, limitsAhead, limitsAs } from "./guards/limit.ts";
import { routeGuard } from "./guards/route.ts";
import { screeningGuard } from "./guards/screen.ts";
import { createKeyLookup } from "./key-lookup.ts";
import type { LimitEvent } from "./limit-events.ts";
import { createLimitReport } from "./limit-report.ts";
import { createOriginClient } from "./origin-client.ts";
import { pause } from "./pause.ts";
import { type RedisClient, RedisError } from "./redis-client.ts";
import { within } from "./within.ts";

export interface EdgeDependencies {
  readonly configuration: EdgeConfiguration;
  readonly routes: EdgeRoutes;
  readonly redis: RedisClient;
  /** The same, with time for what is large: the blocklist. @default there is none */
  readonly bulkRedis?: RedisClient;
  readonly store: EdgeStore;
  readonly fetch: typeof globalThis.fetch;
  /** Epoch milliseconds. */
  readonly now: () => number;
  /** Within [0, 1). */
  readonly random: () => number;
  /** Takes what is for operators' eyes. */
  readonly log: (entry: Readonly<Record<string, unknown>>) => void;
  /** Told of every attempt at an origin, and of what each limit says. @default nobody is */
  readonly observe?: (event: AttemptEvent | LimitEvent) => void;
}

/**
 * While it is open keys are asked for at an origin, which is slower, and limits are kept by each isolate for itself: it
 * is tried again soon, and back at once, as a command is little work. A probe may take twice as long as any command does.
 */
const REDIS_BREAKER = { timeoutMs: 500, maxTimeoutMs: 1_000, halfOpenTimeoutMs: 300, rampMs: 0 };

export interface Edge {
  /** @param context of the platform, which ends a request's work with its answer unless it is told of it */
  fetch(request: Request, context?: Pick<ExecutionContext, "waitUntil">): Promise<Response>;
}

export const createEdge = (dependencies: EdgeDependencies): Edge => {
  const { configuration, routes, redis, now, log } = dependencies;
  const signedFields = coveredFieldsWith(Object.values(routes).flatMap(({ fields }) => fields));
  const surroundings = { ...dependencies, signedFields };
  const client = createOriginClient(configuration.ORIGINS, configuration.SIGNING_KEYS[0], surroundings, {
    breaker: originBreaker(configuration),
    retryPercent: configuration.RETRY_BUDGET_PERCENT,
    hedgePercent: configuration.HEDGE_BUDGET_PERCENT,
  });
  const redisBreaker = dependencyBreaker("redis", REDIS_BREAKER, dependencies);
  const lookup = createKeyLookup(redis, redisBreaker, configuration.REDIS_KEY_PREFIX, client);
  const limitStore = {
    limiter: createLimiter(
      { leaseMs: configuration.RATE_LIMIT_LEASE_MS, deadlineMs: configuration.REDIS_TIMEOUT_MS },
      now,
    ),
    store: createRedisLimitStore({
      keyPrefix: configuration.REDIS_KEY_PREFIX,
      scriptFlags: configuration.REDIS_SCRIPT_FLAGS,
      run: (command, script, keys, values) => redis.command(command, script, keys.length, ...keys, ...values),
    }),
    breaker: redisBreaker,
    within,
    judge: (error: unknown): Judgement => (error instanceof RedisError ? "answer" : "failure"),
  };
  const limitsFor = limitsAs(configuration.RATE_LIMITS);
  const table = compileRoutes(routes);
  const courier = createEventCourier({ client, now, log });
  const { report: reportSecurity } = courier;

  const { bulkRedis } = dependencies;
  const blocklistGuards = (): Guard[] => {
    if (bulkRedis === undefined) return [];
    const { REDIS_KEY_PREFIX: keyPrefix } = configuration;
    const source = blocklistSource({ redis, bulkRedis, breaker: redisBreaker, keyPrefix, client, now });
    return [blocklistGuard({ held: heldBlocklist({ source, now, log }), now, reportSecurity })];
  };

  const guards: readonly Guard[] = [
    ...blocklistGuards(),
    screeningGuard(table, reportSecurity),
    routeGuard(table, now),
    authenticationGuard({
      keys: keyCredentials({ lookup, now, ahead: limitsAhead(limitsFor, createPrepare(limitStore)) }),
      tokens: configuredTokens(configuration, dependencies),
      reportSecurity,
    }),
    limitGuard({
      admit: createAdmit({ ...limitStore, pause }),
      limitsFor,
      report: createLimitReport(log, now),
      observe: dependencies.observe,
      reportSecurity,
    }),
    bodyGuard(now),
    cachedForward(createForward(client), dependencies),
  ];

  const openExchange = exchanges();
  const fetch: Edge["fetch"] = async (request, context) => {
    const exchange = openExchange(request, (work) => {
      const quiet = work.catch(() => undefined);
      context?.waitUntil(quiet);
    });
    try {
      return await passThrough(guards, exchange);
    } catch (error) {
      log({ level: "error", message: "unhandled", requestId: exchange.requestId, error: String(error) });
      return problemResponse(problem("internal"), exchange.requestId);
    } finally {
      courier.tend(exchange.inBackground);
    }
  };
  return { fetch };
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
    return withHeaders(answer, exchange.corsHeaders, exchange.limitHeaders);
  }
  throw new Error("no guard answered");
};

const withHeaders = (
  answer: Response,
  ...added: readonly (Readonly<Record<string, string>> | undefined)[]
): Response => {
  const fields = added.flatMap((each) => (each === undefined ? [] : Object.entries(each)));
  if (fields.length === 0) return answer;
  const copy = new Response(answer.body, answer);
  for (const [name, value] of fields) {
    if (name === "vary") copy.headers.append(name, value);
    else copy.headers.set(name, value);
  }
  return copy;
};
