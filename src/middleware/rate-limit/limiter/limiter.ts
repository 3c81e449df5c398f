/**
 * The limiter of one isolate. It takes tokens from a bucket that all isolates share before it uses them, several at a
 * time, lives on them for at most `leaseMs`, and never gives any back. So, while the store answers, a limit admits in
 * any window W at most capacity + refill × (W + leaseMs), whatever the number of isolates, their clocks and their
 * retries: what is used within the window was taken, by the store's one clock, within the window or `leaseMs` before.
 * A limit that is `strict` takes for each request alone, and admits at most capacity + refill × W.
 */
import type { Limit } from "../../../contract/policy.ts";
import { createBoundedMap } from "../../../lib/bounded-map.ts";
import { Admission, type AdmissionSurroundings } from "./admission.ts";
import { KeyState } from "./bucket-state.ts";
import { Demanded } from "./limit-check.ts";
import { type LimitedClient, limitKeys } from "./limit-key.ts";
import { LocalBucket } from "./local-bucket.ts";
import { type LimiterOptions, type LimiterSettings, limiterSettings } from "./options.ts";
import type { BucketReply } from "./store.ts";
import { StoreCall } from "./store-call.ts";

export interface Limiter {
  readonly settings: LimiterSettings;
  /** Begins a request's way; who begins it takes its steps. */
  begin(limits: readonly Limit[], client: LimitedClient): Admission;
  /**
   * For a request that may come: a call for the tokens that it will need and that are not there, if there are any. Who
   * begins it while the call is under way waits for that.
   */
  prepare(limits: readonly Limit[], client: LimitedClient): StoreCall | undefined;
  /** The store has answered a call. To be told before its admission is, where it has one. */
  answered(call: StoreCall, replies: readonly BucketReply[]): void;
  /** The store has not answered a call in time, or was not asked. To be told as the above. */
  failed(call: StoreCall): void;
  /** Buckets of which something is remembered. */
  readonly size: number;
}

/** Of a round trip's latest time so much counts for what is expected of the next one. */
const NEWEST = 0.2;
/** Expected before there was one, milliseconds: as long as it may well take. */
const FIRST_TRIP_MS = 50;

/**
 * A clock that never goes back. Where the one below is seen to be set back, nobody knows how much time has passed: a new
 * era begins, in which nothing that was taken before is worth anything. (One that was set back by less than nobody
 * looked at it cannot be told from one that was not: leases then last longer by as much.)
 */
const neverBack = (clock: () => number) => {
  let last = clock();
  let passedMs = 0;
  let era = 0;
  return {
    now: (): number => {
      const read = clock();
      if (read < last) era += 1;
      else passedMs += read - last;
      last = read;
      return passedMs;
    },
    era: (): number => era,
  };
};

/**
 * @param clock milliseconds, on any clock that goes with the time: an isolate's need not agree with another's
 * @throws RangeError for options that make no sense
 */
export const createLimiter = (options: LimiterOptions, clock: () => number): Limiter => {
  const settings = limiterSettings(options);
  const { now, era } = neverBack(clock);
  const keyOf = limitKeys(settings.maxKeys);
  const states = createBoundedMap<KeyState>(settings.maxKeys);
  const localBuckets = createBoundedMap<LocalBucket>(settings.maxKeys);
  let tripMs = FIRST_TRIP_MS;

  const stateOf = (bucket: string): KeyState => {
    const known = states.get(bucket);
    if (known !== undefined) return known;
    const state = new KeyState(settings, era);
    states.set(bucket, state);
    return state;
  };

  const localBucket = (bucket: string): LocalBucket => {
    const known = localBuckets.get(bucket);
    if (known !== undefined) return known;
    const made = new LocalBucket();
    localBuckets.set(bucket, made);
    return made;
  };

  const demandedBy = (limits: readonly Limit[], client: LimitedClient): Demanded[] =>
    limits.map((limit) => {
      const key = keyOf(limit, client);
      return new Demanded(limit, key, stateOf(key.bucket), localBucket);
    });

  const surroundings: AdmissionSurroundings = { settings, now, tripMs: () => tripMs };

  return {
    settings,
    begin: (limits, client) => new Admission(demandedBy(limits, client), surroundings),
    prepare: (limits, client) => {
      const nowMs = now();
      const demanded = demandedBy(limits, client);
      const buckets = demanded.map(({ key }) => key.bucket);
      const missing = demanded.filter((each) => each.isMissing(buckets, nowMs));
      if (missing.length === 0) return undefined;
      const call = new StoreCall({
        sentAtMs: nowMs,
        timeoutMs: settings.deadlineMs,
        tripMs,
        isAhead: true,
      });
      for (const each of missing)
        call.add(each, each.cost, Math.max(each.cost, each.state.wanted(tripMs, nowMs)));
      return call;
    },
    answered: (call, replies) => {
      const nowMs = now();
      const { sentAtMs, timeoutMs } = call.plan;
      tripMs += NEWEST * (Math.min(nowMs - sentAtMs, timeoutMs) - tripMs);
      call.answered(replies, nowMs);
    },
    failed: (call) => call.failed(now()),
    get size() {
      return states.size;
    },
  };
};
