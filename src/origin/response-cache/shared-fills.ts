/**
 * Single flight in a process: all requests for a key wait for one fill, which ends early only when the last one has left. A
 * fill that takes longer than a lease is started again, and the first result counts.
 */
import { type Generation, isFailure } from "../../middleware/response-cache/entry.ts";
import {
  type CacheStore,
  FILL_LEASE_MS,
  type Filled,
  type FillRequest,
  type Fills,
  type Joined,
  type Waiter,
} from "../../middleware/response-cache/ports.ts";
import { SingleFlight } from "../../resilience/single-flight.ts";
import type { RedisEntries } from "./redis.ts";

/** Its generation is that of its start. */
interface Flight extends Generation {
  readonly result: Promise<Joined>;
  waiters: number;
  /** Requests that have waited so far. */
  joined: number;
  /** Ends the fill, unless later requests need it. */
  abandon(): void;
}

const MAX_TRIES = 3;

/** @returns undefined once the time is up or the waiter ends */
const resultFor = async (
  result: Promise<Joined>,
  waiter: Waiter,
  ms?: number,
): Promise<Joined | undefined> => {
  const { promise: end, resolve } = Promise.withResolvers<undefined>();
  const timer = ms === undefined ? undefined : setTimeout(resolve, Math.max(0, ms), undefined);
  const removeListener = waiter.onEnd?.(() => resolve(undefined));
  try {
    return await Promise.race([result, end]);
  } finally {
    clearTimeout(timer);
    removeListener?.();
  }
};

/** @param now epoch milliseconds */
export const createSharedFills = (memory: CacheStore, redis: RedisEntries, now: () => number): Fills => {
  const flights = new Map<string, Flight>();
  const failures = new SingleFlight(FILL_LEASE_MS);

  /** The flight whose result the request may use. */
  const flightFor = (request: FillRequest): Flight | undefined => {
    const flight = flights.get(request.key);
    return flight !== undefined && request.accepts(flight) ? flight : undefined;
  };

  const hasJustFailed = (key: string): boolean => failures.heldUntilMs(key, now()) !== undefined;

  /** @param isShared whether several requests wait for it by its end */
  const fill = async (
    request: FillRequest,
    signal: AbortSignal,
    isShared: () => boolean,
  ): Promise<Joined> => {
    const claim = await redis.claim(request);
    if (claim !== undefined && "response" in claim) {
      await memory.put(request.key, claim);
      return { entry: claim, collapsed: true };
    }
    let filled: Filled | undefined;
    try {
      signal.throwIfAborted();
      filled = await request.fill(signal);
      return { ...filled, collapsed: false };
    } finally {
      if (claim !== undefined) redis.settle(request.key, claim, filled?.entry, isShared());
    }
  };

  const start = (request: FillRequest): Flight => {
    const { key, tags, hasAlternative, moment } = request;
    const controller = new AbortController();
    const { promise, resolve, reject } = Promise.withResolvers<Joined>();
    let tries = 0;
    let running = 0;
    let isSettled = false;

    const attempt = (): void => {
      if (tries === MAX_TRIES) return;
      tries += 1;
      running += 1;
      void fill(request, controller.signal, () => flight.joined > 1).then((joined) => {
        running -= 1;
        const isFailed = joined.result !== undefined && isFailure(joined.result);
        // Another try may still succeed.
        if (isFailed && running > 0) return;
        if (isFailed && !controller.signal.aborted) failures.acquire(key, now());
        resolve(joined);
      }, reject);
    };

    const retries = setInterval(attempt, FILL_LEASE_MS);
    /** From now on, requests start a new flight. */
    const end = (): void => {
      isSettled = true;
      clearInterval(retries);
      if (flights.get(key) === flight) flights.delete(key);
    };
    const flight: Flight = {
      result: promise.finally(end),
      generatedAtMs: now(),
      asOfMs: moment(),
      tags,
      waiters: 0,
      joined: 0,
      abandon: () => {
        if (hasAlternative || isSettled) return;
        end();
        controller.abort();
      },
    };
    // A background fill has no waiter that handles its failure.
    flight.result.catch(() => undefined);
    flights.set(key, flight);
    attempt();
    return flight;
  };

  return {
    refresh: (request) => {
      if (flightFor(request) === undefined && !hasJustFailed(request.key)) start(request);
    },
    join: async (request, waiter, untilMs) => {
      const { key, hasAlternative } = request;
      const running = flightFor(request);
      if (hasAlternative && running === undefined && hasJustFailed(key)) return undefined;
      const flight = running ?? start(request);
      const endMs = hasAlternative ? flight.generatedAtMs + FILL_LEASE_MS : untilMs;
      flight.waiters += 1;
      flight.joined += 1;
      try {
        const ms = endMs === undefined ? undefined : endMs - now();
        const joined = await resultFor(flight.result, waiter, ms);
        return joined && { ...joined, collapsed: running !== undefined };
      } finally {
        flight.waiters -= 1;
        if (flight.waiters === 0) flight.abandon();
      }
    },
  };
};
