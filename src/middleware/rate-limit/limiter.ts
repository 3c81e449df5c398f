/**
 * The limiter of one isolate. It takes tokens from a bucket that all isolates share before it uses them, several at a
 * time, keeps them for at most `leaseMs`, and never gives any back. So, while the store answers, a limit admits in any
 * window W at most capacity + refill × (W + leaseMs), whatever the number of isolates, their clocks and their retries:
 * tokens used within the window were taken, by the store's one clock, within the window or `leaseMs` before it. A
 * `strict` limit keeps no tokens for later requests, and admits at most capacity + refill × W.
 */
import QuickLRU from "quick-lru";
import type { Limit } from "../../contract/policy.ts";
import { sleep, withTimeout } from "../../lib/async.ts";
import type { Breaker } from "../../resilience/circuit-breaker/circuit-breaker.ts";
import type { WaitUntil } from "../context/index.ts";
import { BucketState } from "./bucket-state.ts";
import { LimitCheck, type LimitVerdict } from "./limit-check.ts";
import { type LimitedClient, type LimitStore, limitKey } from "./limit-store.ts";
import type { Refill } from "./refill.ts";
import { type Decided, RequestCheck, type Step } from "./request-check.ts";

export interface LimiterOptions {
  /** τ: how long an isolate may use tokens that it has taken, milliseconds. Longer costs fewer round trips. */
  readonly leaseMs: number;
  /** Longest wait of a request for the store, milliseconds. */
  readonly deadlineMs: number;
}

/** Most buckets that an isolate remembers. */
const MAX_BUCKETS = 20_000;
/** Weight of the latest round trip in the expected one. */
const NEWEST = 0.2;
/** The expected round trip before the first, milliseconds. */
const FIRST_TRIP_MS = 50;

/** The isolate's memory, without I/O: `createRateLimiter` and the simulations perform its steps. */
export class Limiter {
  readonly settings: LimiterOptions;
  /**
   * Grows each time the clock is seen to be set back: the time that has passed is then unknown, so leases are void. (A
   * clock set back by less than the time since the last reading goes unnoticed; leases then last longer by as much.)
   */
  epoch = 0;
  /** Expected duration of a round trip, milliseconds. */
  tripMs = FIRST_TRIP_MS;
  readonly #clock: () => number;
  // quick-lru keeps up to twice this number.
  readonly #states = new QuickLRU<string, BucketState>({ maxSize: MAX_BUCKETS / 2 });
  #lastReadMs: number;
  #elapsedMs = 0;

  /** @param clock milliseconds; it need not agree with other isolates' clocks */
  constructor(settings: LimiterOptions, clock: () => number) {
    this.settings = settings;
    this.#clock = clock;
    this.#lastReadMs = clock();
  }

  /** Milliseconds since the limiter was created. Never goes back. */
  now(): number {
    const readMs = this.#clock();
    if (readMs < this.#lastReadMs) this.epoch += 1;
    else this.#elapsedMs += readMs - this.#lastReadMs;
    this.#lastReadMs = readMs;
    return this.#elapsedMs;
  }

  observeTrip(ms: number): void {
    this.tripMs += NEWEST * (ms - this.tripMs);
  }

  checks(limits: readonly Limit[], client: LimitedClient): LimitCheck[] {
    return limits.map((limit) => {
      const key = limitKey(limit, client);
      return new LimitCheck(limit, key, this.#stateOf(key.bucket));
    });
  }

  #stateOf(bucket: string): BucketState {
    const state = this.#states.get(bucket);
    if (state?.epoch === this.epoch) return state;
    const fresh = new BucketState(this, state?.local);
    this.#states.set(bucket, fresh);
    return fresh;
  }
}

export interface RateLimiter {
  /** Synchronous if the isolate's memory decides. Its promise never rejects because of the store. */
  check(
    limits: readonly Limit[],
    client: LimitedClient,
    waitUntil: WaitUntil,
  ): LimitVerdict | Promise<LimitVerdict>;
}

export interface RateLimiterDependencies {
  readonly options: LimiterOptions;
  readonly store: LimitStore;
  readonly breaker: Breaker;
  /** Milliseconds. */
  readonly now: () => number;
  /** The outcome of an error for the breaker: the store may be up and reject the command. @default a failure */
  readonly judge?: Parameters<Breaker["run"]>[1];
}

export const createRateLimiter = (deps: RateLimiterDependencies): RateLimiter => {
  const { options, store, breaker, now, judge = () => "failure" } = deps;
  const limiter = new Limiter(options, now);

  const send = async (refill: Refill): Promise<void> => {
    const replies = await breaker
      .run(
        () => withTimeout(store.take(refill.asks), refill.timeoutMs),
        (error) => (refill.isHurried ? "ignored" : judge(error)),
      )
      .catch(() => undefined);
    if (replies === undefined) refill.failed();
    else refill.answered(replies);
  };

  const conclude = ({ verdict, refresh }: Decided, waitUntil: WaitUntil): LimitVerdict => {
    if (refresh !== undefined) waitUntil(send(refresh));
    return verdict;
  };

  const finish = async (check: RequestCheck, first: Step, waitUntil: WaitUntil): Promise<LimitVerdict> => {
    let step = first;
    while (step.kind !== "decided") {
      if (step.kind === "refill") {
        const sent = send(step.refill);
        // Other requests may wait for it if this client goes away.
        waitUntil(sent);
        await sent;
        step = check.next();
      } else if (breaker.state === "open") {
        // Refills sent before the breaker opened are not worth waiting for.
        step = check.withoutStore();
      } else {
        await sleep(step.ms);
        step = check.next();
      }
    }
    return conclude(step, waitUntil);
  };

  return {
    check: (limits, client, waitUntil) => {
      const check = new RequestCheck(limiter, limits, client);
      const step = check.next();
      return step.kind === "decided" ? conclude(step, waitUntil) : finish(check, step, waitUntil);
    },
  };
};
