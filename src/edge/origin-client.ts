/**
 * Sends requests to the origins, each within its deadline: the one retry layer of the system. Where an attempt fails
 * another one is made at another origin, as far as the request may be made again and the budget goes; where a read
 * takes longer than nearly all do a second one is sent beside it, and whichever answers first counts ("The Tail at
 * Scale", Dean, Barroso, CACM 56(2), 2013).
 */

import type { SigningKey } from "../middleware/signature/signing-keys.ts";
import { createBalancer } from "../resilience/balancer/balancer.ts";
import type { BreakerOptions } from "../resilience/circuit-breaker/options.ts";
import { LatencyHistogram } from "../resilience/hedging.ts";
import { createRetryBudget } from "../resilience/retry-budget.ts";
import type { AttemptEvent } from "./attempt-events.ts";
import { type BreakerSurroundings, tellTransition } from "./breakers.ts";
import { HEDGE_PERCENT, ORIGIN_BREAKER, type OriginAddress, RETRY_PERCENT } from "./configuration.ts";
import { Delivery, type DeliveryContext } from "./delivery.ts";
import type { OriginAnswer, OriginRequest } from "./origin-request.ts";
import { createSendAttempt } from "./send-attempt.ts";

export interface OriginClient {
  send(request: OriginRequest): Promise<OriginAnswer>;
}

export interface OriginSurroundings extends BreakerSurroundings {
  readonly fetch: typeof globalThis.fetch;
  /** Header fields that signatures cover where a request has them. @default those of every contract */
  readonly signedFields?: readonly string[] | undefined;
  /** Told of every attempt and of every retry that was not made, synchronously. @default nobody is */
  readonly observe?: ((event: AttemptEvent) => void) | undefined;
}

export interface OriginClientOptions {
  /** Of each origin; see `ORIGIN_BREAKER` for what is not said. */
  readonly breaker?: BreakerOptions;
  /** Of a hundred requests so many may be made again. @default 20 */
  readonly retryPercent?: number;
  /** Of a hundred requests so many may be sent a second time at once; 0 for none. @default 5 */
  readonly hedgePercent?: number;
}

/** An origin is not given up for longer, milliseconds. */
const LONGEST_MS = 2_000;
/** However few requests there are, one in ten seconds may be made again. */
const RETRIES_PER_SECOND = 0.1;
/** As many as an origin may hold at the moment when it dies. */
const MOST_RETRIES = 50;
const FIRST_RETRIES = 10;
const MOST_HEDGES = 10;

/** As many as there are routes, and the edge's own. */
const histograms = (): ((route: string) => LatencyHistogram) => {
  const known = new Map<string, LatencyHistogram>();
  return (route) => {
    const found = known.get(route);
    if (found !== undefined) return found;
    const made = new LatencyHistogram();
    known.set(route, made);
    return made;
  };
};

export const createOriginClient = (
  origins: readonly OriginAddress[],
  key: SigningKey,
  surroundings: OriginSurroundings,
  { breaker = {}, retryPercent = RETRY_PERCENT, hedgePercent = HEDGE_PERCENT }: OriginClientOptions = {},
): OriginClient => {
  const { now, random, observe = () => undefined } = surroundings;
  const { timeoutMs } = { ...ORIGIN_BREAKER, ...breaker };
  const settings = { ...ORIGIN_BREAKER, maxTimeoutMs: Math.max(LONGEST_MS, timeoutMs), ...breaker };
  const pool = createBalancer(
    origins.map(({ weight }) => weight),
    { breaker: settings },
    {
      now,
      random,
      onTransition: (origin, transition) =>
        tellTransition(surroundings, "origin", transition, origins[origin]?.authority),
    },
  );
  const context: DeliveryContext = {
    origins,
    pool,
    retries: createRetryBudget({
      ratio: retryPercent / 100,
      perSecond: retryPercent === 0 ? 0 : RETRIES_PER_SECOND,
      max: MOST_RETRIES,
      initial: retryPercent === 0 ? 0 : FIRST_RETRIES,
    }),
    hedges:
      hedgePercent === 0
        ? undefined
        : createRetryBudget({ ratio: hedgePercent / 100, max: MOST_HEDGES, initial: 0 }),
    sendAttempt: createSendAttempt({ key, ...surroundings }),
    now,
    random,
    observe,
  };
  const latenciesOf = histograms();
  return {
    send: (request) => {
      context.retries.deposit();
      context.hedges?.deposit();
      return new Delivery(context, request, latenciesOf(request.route)).run();
    },
  };
};
