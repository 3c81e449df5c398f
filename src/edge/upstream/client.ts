/**
 * Sends requests to the origins within their deadlines: the one retry layer of the system. A failed attempt is repeated at
 * another origin if the request allows it and the budget lasts; a read that takes longer than nearly all do is hedged
 * ("The Tail at Scale", Dean, Barroso, CACM 56(2), 2013).
 */
import type { WaitUntil } from "../../middleware/context/index.ts";
import type { AsyncSigningKey } from "../../middleware/signature/signing-keys.ts";
import { createBalancer } from "../../resilience/balancer/balancer.ts";
import type { BreakerOptions } from "../../resilience/circuit-breaker/circuit-breaker.ts";
import { createRetryBudget, LatencyHistogram, type RetryMode } from "../../resilience/retries.ts";
import { type BreakerDeps, originTransitions } from "../breakers.ts";
import { HEDGE_PERCENT, ORIGIN_BREAKER, type OriginAddress, RETRY_PERCENT } from "../config.ts";
import { type AttemptRecord, createSendAttempt, type SentRequest } from "./attempt.ts";
import { type RetryContext, RetryingRequest } from "./retries.ts";

export interface OriginRequest extends SentRequest {
  /** The operation's name in the contract: from a closed set. */
  readonly route: string;
  readonly retryMode: RetryMode;
  readonly waitUntil: WaitUntil;
  /** Collects the request's attempts. */
  readonly attempts?: AttemptRecord[] | undefined;
  /** Ends the request before its deadline: its client has gone. */
  readonly signal?: AbortSignal | undefined;
}

export type OriginResponse =
  | { readonly kind: "answered"; readonly response: Response }
  /** No origin took the request. `retryAfterS`: if none may be called now, when one may, whole seconds from 1. */
  | { readonly kind: "unreachable"; readonly retryAfterS?: number }
  | { readonly kind: "not_origin" }
  | { readonly kind: "timed_out" };

/**
 * Why a failed attempt was not followed by another. `attempts`: there were three. `budget`: the share of requests that may be
 * repeated is used up. `deadline`: less time is left than half of the responses take. `origins`: no other would do better.
 */
export const RETRY_DENIALS = ["attempts", "budget", "deadline", "origins"] as const;
export type RetryDenial = (typeof RETRY_DENIALS)[number];

export type AttemptEvent =
  | {
      readonly type: "attempt";
      readonly route: string;
      readonly method: string;
      /** The response's, if there was one. */
      readonly status: number | undefined;
      readonly attempt: AttemptRecord;
    }
  | { readonly type: "retry_denied"; readonly route: string; readonly reason: RetryDenial };

export interface OriginClient {
  send(request: OriginRequest): Promise<OriginResponse>;
}

export interface OriginClientDeps extends BreakerDeps {
  readonly fetch: typeof globalThis.fetch;
  /** Fields that the signature covers if the request has them. @default those of every contract */
  readonly signedFields?: readonly string[] | undefined;
  /** Called synchronously for every attempt, and for every retry that was not made. @default none */
  readonly observe?: ((event: AttemptEvent) => void) | undefined;
}

export interface OriginClientOptions {
  /** @default `ORIGIN_BREAKER` */
  readonly breaker?: BreakerOptions;
  /** Retries per hundred requests. @default 20 */
  readonly retryPercent?: number;
  /** Hedges per hundred requests; 0 for none. @default 5 */
  readonly hedgePercent?: number;
}

/** An origin's breaker stays open at most this long, milliseconds. */
const MAX_OPEN_MS = 2_000;
/** At low rates one request in ten seconds may still be repeated. */
const RETRIES_PER_SECOND = 0.1;
/** As many as an origin may hold when it dies. */
const MAX_RETRIES = 50;
const INITIAL_RETRIES = 10;
const MAX_HEDGES = 10;

export const createOriginClient = (
  origins: readonly OriginAddress[],
  key: AsyncSigningKey,
  deps: OriginClientDeps,
  { breaker = {}, retryPercent = RETRY_PERCENT, hedgePercent = HEDGE_PERCENT }: OriginClientOptions = {},
): OriginClient => {
  const { now, random, observe = () => undefined } = deps;
  const { timeoutMs } = { ...ORIGIN_BREAKER, ...breaker };
  const pool = createBalancer(
    origins.map(({ weight }) => weight),
    { breaker: { ...ORIGIN_BREAKER, maxTimeoutMs: Math.max(MAX_OPEN_MS, timeoutMs), ...breaker } },
    { now, random, onTransition: originTransitions(origins, deps) },
  );
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
  };
  /** As many entries as there are routes, and a few of the edge's own. */
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
