/**
 * The limiter of one isolate. It takes tokens from a bucket that all isolates share before it uses them, several at a
 * time, keeps them for at most `leaseMs`, and never gives any back. So, while the store answers, a limit admits in any
 * window W at most capacity + refill × (W + leaseMs), whatever the number of isolates, their clocks and their retries:
 * tokens used within the window were taken, by the store's one clock, within the window or `leaseMs` before it. A
 * `strict` limit takes tokens for each request alone, and admits at most capacity + refill × W.
 */
import QuickLRU from "quick-lru";
import type { Limit } from "../../contract/policy.ts";
import { sleep, withTimeout } from "../../lib/async.ts";
import type { Breaker } from "../../resilience/circuit-breaker/circuit-breaker.ts";
import type { WaitUntil } from "../context/index.ts";
import { BucketState } from "./bucket-state.ts";
import { type LimitedClient, type LimitStore, limitKey } from "./limit-store.ts";
import type { Refill } from "./refill.ts";
import { type Decided, LimitCheck, type LimitVerdict, RequestCheck, type Step } from "./request-check.ts";

export const LIMITER_DEFAULTS = {
  /**
   * τ: how long an isolate may use tokens that it has taken, milliseconds. In any window W a limit admits at most
   * capacity + refill × (W + τ). Longer costs fewer round trips.
   */
  leaseMs: 2_000,
  /** Longest wait of a request for the store, milliseconds. */
  deadlineMs: 150,
};

export type LimiterOptions = Readonly<Partial<typeof LIMITER_DEFAULTS>>;

/** Most buckets that an isolate remembers. */
export const MAX_BUCKETS = 20_000;
/** Weight of the latest round trip in the expected one. */
const NEWEST = 0.2;
/** The expected round trip before the first, milliseconds. */
const FIRST_TRIP_MS = 50;

/** The isolate's memory, without I/O: `createRateLimiter` and the simulations perform its steps. */
export class Limiter {
  readonly settings: Required<LimiterOptions>;
  /**
   * Grows each time the clock is seen to be set back: the time that has passed is then unknown, so leases are void. (A
   * clock set back by less than the time since the last reading goes unnoticed; leases then last longer by as much.)
   */
  epoch = 0;
  /** Expected duration of a round trip, milliseconds. */
  tripMs = FIRST_TRIP_MS;
  readonly #clock: () => number;
  // It keeps up to twice this number.
  readonly #states = new QuickLRU<string, BucketState>({ maxSize: MAX_BUCKETS / 2 });
  #lastReadMs: number;
  #elapsedMs = 0;

  /**
   * @param clock milliseconds; it need not agree with other isolates' clocks
   * @throws RangeError for an invalid option
   */
  constructor(options: LimiterOptions, clock: () => number) {
    this.settings = { ...LIMITER_DEFAULTS, ...options };
    for (const [name, value] of Object.entries(this.settings))
      if (!(value > 0 && value < Number.POSITIVE_INFINITY))
        throw new RangeError(`${name} must be above 0, and finite`);
    this.#clock = clock;
    this.#lastReadMs = clock();
  }

  get size(): number {
    // Its own `size` never says more than `maxSize`.
    return [...this.#states.keys()].length;
  }

  /** Milliseconds since the limiter was made. Never goes back. */
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

  begin(limits: readonly Limit[], client: LimitedClient): RequestCheck {
    return new RequestCheck(this, limits, client);
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
  /** What a store's error means for the breaker: it may be up and reject the command. @default a failure */
  readonly judge?: Parameters<Breaker["run"]>[1];
}

/** @throws RangeError for an invalid option */
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
      const check = limiter.begin(limits, client);
      const step = check.next();
      return step.kind === "decided" ? conclude(step, waitUntil) : finish(check, step, waitUntil);
    },
  };
};
