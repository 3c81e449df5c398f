/**
 * Sends requests to the origins within their deadlines: the only retry layer of the system. A failed attempt
 * is repeated at another origin if the request and the budget allow it; a read slower than the 95th
 * percentile is hedged ("The Tail at Scale", Dean, Barroso, CACM 56(2), 2013).
 */
import type { WaitUntil } from "../../middleware/context/index.ts";
import type { AsyncSigningKey } from "../../middleware/signature/signing-keys.ts";
import { Balancer, type BalancerRejection } from "../../resilience/balancer/balancer.ts";
import type { EndpointView } from "../../resilience/balancer/endpoint.ts";
import type { BreakerOptions } from "../../resilience/circuit-breaker/circuit-breaker.ts";
import { createRetryBudget, LatencyHistogram, type RetryMode } from "../../resilience/retries.ts";
import { type BreakerDeps, watchOriginBreakers } from "../breakers.ts";
import type { OriginAddress } from "../config.ts";
import { type AttemptDeps, type AttemptRecord, createSendAttempt, type SentRequest } from "./attempt.ts";
import { type RetryContext, RetryingRequest } from "./retries.ts";

export interface OriginRequest extends SentRequest {
  /** The operation's name in the contract: from a closed set. */
  readonly route: string;
  readonly retryMode: RetryMode;
  readonly waitUntil: WaitUntil;
  /** Collects the request's attempts. */
  readonly attempts?: AttemptRecord[] | undefined;
}

export type OriginResponse =
  | { readonly kind: "answered"; readonly response: Response }
  /** `retryAfterS`: whole seconds until the first breaker allows a request, from 1. */
  | { readonly kind: "unreachable"; readonly retryAfterS?: number }
  | { readonly kind: "not_origin" }
  /** A write that may have been done: its connection broke. */
  | { readonly kind: "unknown" }
  | { readonly kind: "timed_out" };

/**
 * Why no retry followed a failed attempt. `attempts`: there were three. `budget`: the retry budget is used
 * up. `deadline`: the remaining time is below the median latency. `origins`: no other origin is healthy.
 */
export const RETRY_DENIALS = ["attempts", "budget", "deadline", "origins"] as const;
export type RetryDenial = (typeof RETRY_DENIALS)[number];

export type AttemptEvent =
  | {
      readonly type: "attempt";
      readonly method: string;
      /** The response's, if there was one. */
      readonly status: number | undefined;
      readonly attempt: AttemptRecord;
    }
  | { readonly type: "retry_denied"; readonly reason: RetryDenial };

export interface OriginClient {
  send(request: OriginRequest): Promise<OriginResponse>;
}

interface OriginClientDeps extends BreakerDeps, Omit<AttemptDeps, "key"> {
  /** Called synchronously for every attempt, and for every retry that is denied. */
  readonly observe: (event: AttemptEvent) => void;
  /** Receives a function that returns the present state of each origin. @default not watched */
  readonly watchBalancer?: ((views: () => readonly EndpointView[]) => void) | undefined;
}

export interface OriginClientOptions {
  readonly breaker: BreakerOptions;
  /** Retries per hundred requests. */
  readonly retryPercent: number;
  /** Hedges per hundred requests; 0 for none. */
  readonly hedgePercent: number;
}

/** Maximum time that an origin's breaker stays open, milliseconds. */
const MAX_OPEN_MS = 2_000;
/** At low rates one retry in ten seconds is still allowed. */
const RETRIES_PER_SECOND = 0.1;
/** About the requests in flight at an origin that dies. */
const MAX_RETRIES = 50;
const INITIAL_RETRIES = 10;
const MAX_HEDGES = 10;

export const createOriginClient = (
  origins: readonly OriginAddress[],
  key: AsyncSigningKey,
  deps: OriginClientDeps,
  { breaker, retryPercent, hedgePercent }: OriginClientOptions,
): OriginClient => {
  const { now, random, observe } = deps;
  const probeInMs = (origin: number): number => pool.views()[origin]?.probeInMs ?? 0;
  const { onTransition, onRejection } = watchOriginBreakers(origins, deps, probeInMs);
  const pool = new Balancer(
    origins.map(({ weight }) => weight),
    { ...breaker, maxTimeoutMs: Math.max(MAX_OPEN_MS, breaker.timeoutMs ?? 0) },
    { now, random, onTransition },
  );
  deps.watchBalancer?.(() => pool.views());
  const context: RetryContext = {
    origins,
    pool,
    retries: createRetryBudget({
      ratio: retryPercent / 100,
      perSecond: retryPercent === 0 ? 0 : RETRIES_PER_SECOND,
      max: MAX_RETRIES,
      initial: retryPercent === 0 ? 0 : INITIAL_RETRIES,
    }),
    hedges:
      hedgePercent === 0
        ? undefined
        : createRetryBudget({ ratio: hedgePercent / 100, max: MAX_HEDGES, initial: 0 }),
    sendAttempt: createSendAttempt({ key, ...deps }),
    now,
    random,
    observe,
    reject: (rejection) => {
      onRejection();
      return unreachable(rejection, now());
    },
  };
  /** One entry per route, and a few of the edge's own. */
  const latencies = new Map<string, LatencyHistogram>();
  const latenciesOf = (route: string): LatencyHistogram => {
    const histogram = latencies.get(route) ?? new LatencyHistogram();
    latencies.set(route, histogram);
    return histogram;
  };
  return {
    send: (request) => {
      context.retries.deposit();
      context.hedges?.deposit();
      return new RetryingRequest(context, request, latenciesOf(request.route)).run();
    },
  };
};

const unreachable = ({ retryAtMs }: BalancerRejection, nowMs: number): OriginResponse =>
  retryAtMs === undefined
    ? { kind: "unreachable" }
    : { kind: "unreachable", retryAfterS: Math.max(1, Math.ceil((retryAtMs - nowMs) / 1_000)) };
