/**
 * Single flight within a process: who asks for the same at the same time waits for one answer. Nobody's request
 * carries the work, so that one's going away ends it for nobody else; when the last of them has gone, it is ended. What
 * does not come back within a lease is begun once more, by another connection if need be, whichever comes first.
 */
import type { Lease, SingleFlight } from "../../resilience/single-flight.ts";

export interface Flight<T> {
  /** The first answer that comes, or why none did. */
  readonly result: Promise<T>;
  /** When it began, epoch milliseconds, and at which moment of the invalidations. */
  readonly beganAtMs: number;
  readonly madeAt: number;
  /** One more waits for it. Returns how to go away. */
  join(): () => void;
}

export interface FlightPlan<T> {
  readonly key: string;
  readonly madeAt: number;
  /** Whether it goes on although nobody waits for it: for what is wanted later on. */
  readonly outlivesWaiters: boolean;
  /** @param abandoned resolves when nobody waits any more */
  readonly work: (abandoned: Promise<void>) => Promise<T>;
}

export interface Flights<T> {
  /** The one under way for a key. */
  get(key: string): Flight<T> | undefined;
  /** Begins one, in the place of whichever is under way. */
  begin(plan: FlightPlan<T>): Flight<T>;
  /** Whether the last one for the key failed within its lease: another one would fare no better yet. */
  hasJustFailed(key: string): boolean;
}

/** So often the same work is begun at most while none of it comes back. */
const MAX_TRIES = 3;

class WorkInFlight<T> implements Flight<T> {
  readonly beganAtMs: number;
  readonly madeAt: number;
  readonly result: Promise<T>;
  readonly #plan: FlightPlan<T>;
  readonly #settle = Promise.withResolvers<T>();
  readonly #abandon = Promise.withResolvers<void>();
  #isSettled = false;
  #waiting = 0;
  #underWay = 0;
  #tries = 0;

  constructor(plan: FlightPlan<T>, beganAtMs: number) {
    this.#plan = plan;
    this.beganAtMs = beganAtMs;
    this.madeAt = plan.madeAt;
    this.result = this.#settle.promise;
    // Where everybody has something to use meanwhile, nobody listens.
    this.result.catch(() => undefined);
  }

  get abandoned(): Promise<void> {
    return this.#abandon.promise;
  }

  join(): () => void {
    this.#waiting += 1;
    return () => {
      this.#waiting -= 1;
      const isWanted = this.#waiting > 0 || this.#plan.outlivesWaiters;
      if (!isWanted && !this.#isSettled) this.#abandon.resolve();
    };
  }

  /** One more try, where there may be one. */
  try(): void {
    if (this.#tries === MAX_TRIES) return;
    this.#tries += 1;
    this.#underWay += 1;
    this.#plan.work(this.abandoned).then(
      (value) => {
        this.#isSettled = true;
        this.#settle.resolve(value);
      },
      (error: unknown) => {
        this.#underWay -= 1;
        // Another one may still come back.
        if (this.#underWay > 0) return;
        this.#isSettled = true;
        this.#settle.reject(error);
      },
    );
  }
}

/** @param now epoch milliseconds */
export const createFlights = <T>(leases: SingleFlight, leaseMs: number, now: () => number): Flights<T> => {
  const flights = new Map<string, WorkInFlight<T>>();

  return {
    get: (key) => flights.get(key),
    hasJustFailed: (key) => !flights.has(key) && leases.heldUntilMs(key, now()) !== undefined,
    begin: (plan) => {
      const { key } = plan;
      const flight = new WorkInFlight<T>(plan, now());
      flights.set(key, flight);
      let lease: Lease | undefined = leases.acquire(key, now());
      const again = setInterval(() => {
        lease = leases.acquire(key, now()) ?? lease;
        flight.try();
      }, leaseMs);
      const end = (): void => {
        clearInterval(again);
        if (flights.get(key) === flight) flights.delete(key);
      };
      const giveBack = (): void => {
        end();
        if (lease !== undefined) leases.release(lease);
      };
      // The lease of what has failed is left to run out.
      flight.result.then(giveBack, end);
      // Whoever comes from now on begins anew.
      void flight.abandoned.then(giveBack);
      flight.try();
      return flight;
    },
  };
};
