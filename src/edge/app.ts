/**
 * The edge: the guards, in the order in which a request meets them, and behind them the way to an origin. It is no
 * application of a framework's: every request goes one way, and what a framework does before and behind it costs a sixth of
 * what forwarding costs.
 */
import type { EdgeRoutes } from "../contract/edge-manifest.ts";
import { problem } from "../contract/problem.ts";
import { keyCredentials } from "../middleware/auth/api-keys.ts";
import { heldBlocklist } from "../middleware/blocklist/snapshot.ts";
import { guardChain, passGuards } from "../middleware/guards.ts";
import { problemResponse } from "../middleware/problems/problem-response.ts";
import { limitsAhead, limitsAs } from "../middleware/rate-limit/index.ts";
import { createRateLimiter } from "../middleware/rate-limit/limiter.ts";
import { createLimitReport } from "../middleware/rate-limit/log.ts";
import { createRedisLimitStore } from "../middleware/rate-limit/redis-limit-store.ts";
import type { LimitEvent } from "../middleware/rate-limit/verdict.ts";
import { compileRoutes } from "../middleware/route-policy/route-table.ts";
import { coveredFieldsWith } from "../middleware/signature/covered-components.ts";
import { traceIdOf } from "../telemetry/trace-context.ts";
import type { AttemptEvent } from "./attempt-events.ts";
import { blocklistSource } from "./blocklist-source.ts";
import { dependencyBreaker } from "./breakers.ts";
import { cachedForward } from "./cache/cached-forward.ts";
import type { EdgeStore } from "./cache/edge-store.ts";
import { type EdgeConfiguration, originBreaker } from "./configuration.ts";
import { configuredTokens } from "./configured-tokens.ts";
import { type EdgeExchange, exchanges } from "./edge-exchange.ts";
import { endingIn } from "./ending.ts";
import { createEventCourier } from "./event-courier.ts";
import { explained } from "./explanation.ts";
import { createForward } from "./forward.ts";
import { createKeyLookup } from "./key-lookup.ts";
import { createOriginClient } from "./origin-client.ts";
import { pause } from "./pause.ts";
import { type RedisClient, RedisError } from "./redis-client.ts";
import type { EdgeTelemetry } from "./telemetry/telemetry.ts";
import { tracedRedis } from "./telemetry/traced-redis.ts";

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
  /** Told of everything. @default nobody is */
  readonly telemetry?: EdgeTelemetry;
}

export interface Edge {
  /** @param context of the platform, which ends a request's work with its answer unless it is told of it */
  fetch(request: Request, context?: Pick<ExecutionContext, "waitUntil">): Promise<Response>;
}

/**
 * While it is open keys are asked for at an origin, which is slower, and limits are kept by each isolate for itself: it
 * is tried again soon, and back at once, as a command is little work. A probe may take twice as long as any command does.
 */
const REDIS_BREAKER = { timeoutMs: 500, maxTimeoutMs: 1_000, halfOpenTimeoutMs: 300, rampMs: 0 };

export const createEdge = (dependencies: EdgeDependencies): Edge => {
  const { configuration, routes, bulkRedis, now, log, telemetry } = dependencies;
  const redis =
    telemetry === undefined ? dependencies.redis : tracedRedis(dependencies.redis, telemetry.active, now);
  const observe = telemetry?.observe ?? dependencies.observe;
  const { REDIS_KEY_PREFIX: keyPrefix } = configuration;
  const signedFields = coveredFieldsWith(Object.values(routes).flatMap(({ fields }) => fields));
  const surroundings = { ...dependencies, signedFields, observe, onTransition: telemetry?.transition };
  const client = createOriginClient(configuration.ORIGINS, configuration.SIGNING_KEYS[0], surroundings, {
    breaker: originBreaker(configuration),
    retryPercent: configuration.RETRY_BUDGET_PERCENT,
    hedgePercent: configuration.HEDGE_BUDGET_PERCENT,
  });
  const breaker = dependencyBreaker("redis", REDIS_BREAKER, surroundings);
  telemetry?.watchRedis(breaker);
  const limiter = createRateLimiter({
    options: { leaseMs: configuration.RATE_LIMIT_LEASE_MS, deadlineMs: configuration.REDIS_TIMEOUT_MS },
    store: createRedisLimitStore({
      keyPrefix,
      scriptFlags: configuration.REDIS_SCRIPT_FLAGS,
      run: (command, script, keys, values) => redis.command(command, script, keys.length, ...keys, ...values),
    }),
    breaker,
    now,
    judge: (error) => (error instanceof RedisError ? "answer" : "failure"),
  });
  const limitsFor = limitsAs(configuration.RATE_LIMITS);
  const courier = createEventCourier({ client, now, log });

  const guards = guardChain({
    table: compileRoutes(routes),
    blocklist:
      bulkRedis &&
      heldBlocklist({
        // It is fetched for all: no request's trace has it.
        load: blocklistSource({ redis: dependencies.redis, bulkRedis, breaker, keyPrefix, client, now }),
        pause,
        now,
        log,
      }),
    keys: keyCredentials({
      lookup: createKeyLookup({ redis, breaker, keyPrefix, client, activeTrace: telemetry?.active.get }),
      now,
      ahead: limitsAhead(limitsFor, limiter.prefetch),
    }),
    tokens: configuredTokens(configuration, dependencies),
    limits: {
      admit: limiter.check,
      limitsFor,
      report: createLimitReport(log, now),
      observe,
    },
    body: { now, endingIn },
    now,
    reportSecurity: courier.report,
  });
  const forward = cachedForward(createForward(client), dependencies);
  const openExchange = exchanges();

  const answer = async (exchange: EdgeExchange): Promise<Response> => {
    const result = (await passGuards(guards, exchange)) ?? (await forward(exchange));
    const given = result instanceof Response ? result : problemResponse(result, exchange.requestId);
    const told = exchange.isExplained ? explained(given, exchange) : given;
    return withHeaders(told, exchange.corsHeaders, exchange.limitHeaders);
  };

  const answerSafely = async (exchange: EdgeExchange): Promise<Response> => {
    try {
      return await answer(exchange);
    } catch (error) {
      const { requestId } = exchange;
      log({
        level: "error",
        message: "unhandled",
        requestId,
        trace_id: traceIdOf(requestId),
        error: String(error),
      });
      return problemResponse(problem("internal"), requestId);
    }
  };

  return {
    fetch: async (request, context) => {
      const exchange = openExchange(request, (work) => {
        const quiet = work.catch(() => undefined);
        context?.waitUntil(quiet);
      });
      const startedMs = now();
      exchange.trace = telemetry?.begin(exchange, startedMs);
      const response = await (exchange.trace === undefined || telemetry === undefined
        ? answerSafely(exchange)
        : telemetry.active.run(exchange.trace, () => answerSafely(exchange)));
      telemetry?.served(exchange, response.status, startedMs);
      courier.tend(exchange.inBackground);
      return response;
    },
  };
};

const withHeaders = (
  answer: Response,
  ...added: readonly (Readonly<Record<string, string>> | undefined)[]
): Response => {
  let copy: Response | undefined;
  for (const fields of added) {
    for (const name in fields) {
      const value = fields[name] ?? "";
      // What the origin has written already is not copied for.
      if (name !== "vary" && answer.headers.get(name) === value) continue;
      copy ??= new Response(answer.body, answer);
      if (name === "vary") copy.headers.append(name, value);
      else copy.headers.set(name, value);
    }
  }
  return copy ?? answer;
};
