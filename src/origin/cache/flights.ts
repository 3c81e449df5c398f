/**
 * Single flight within a process: who asks for the same at the same time waits for one answer. Nobody's request
 * carries the work, so that nobody's going away ends it; and what does not come back within a lease is begun once
 * more, by another connection if need be, whichever comes first.
 */
import type { Lease, Leases } from "../../core/cache/leases.ts";

export interface Flight<T> {
  /** The first answer that comes, or why none did. */
  readonly result: Promise<T>;
  /** When it began, epoch milliseconds, and at which moment of the invalidations. */
  readonly beganAtMs: number;
  readonly madeAt: number;
}

export interface Flights<T> {
  /** The one under way for a key. */
  get(key: string): Flight<T> | undefined;
  /** Begins one, in the place of whichever is under way. */
  begin(key: string, madeAt: number, work: () => Promise<T>): Flight<T>;
  /** Whether the last one for the key failed within its lease: another one would fare no better yet. */
  hasJustFailed(key: string): boolean;
}

/** So often the same work is begun at most while none of it comes back. */
const MAX_TRIES = 3;

class WorkInFlight<T> implements Flight<T> {
  readonly beganAtMs: number;
  readonly madeAt: number;
  readonly result: Promise<T>;
  readonly #settle = Promise.withResolvers<T>();
  #underWay = 0;
  #tries = 0;

  constructor(beganAtMs: number, madeAt: number) {
    this.beganAtMs = beganAtMs;
    this.madeAt = madeAt;
    this.result = this.#settle.promise;
    // Where everybody has something to use meanwhile, nobody listens.
    this.result.catch(() => undefined);
  }

  /** One more try, where there may be one. */
  try(work: () => Promise<T>): void {
    if (this.#tries === MAX_TRIES) return;
    this.#tries += 1;
    this.#underWay += 1;
    work().then(
      (value) => this.#settle.resolve(value),
      (error: unknown) => {
        this.#underWay -= 1;
        // Another one may still come back.
        if (this.#underWay === 0) this.#settle.reject(error);
      },
    );
  }
}

/** @param now epoch milliseconds */
export const createFlights = <T>(leases: Leases, leaseMs: number, now: () => number): Flights<T> => {
  const flights = new Map<string, WorkInFlight<T>>();

  return {
    get: (key) => flights.get(key),
    hasJustFailed: (key) => !flights.has(key) && leases.heldUntilMs(key, now()) !== undefined,
    begin: (key, madeAt, work) => {
      const flight = new WorkInFlight<T>(now(), madeAt);
      flights.set(key, flight);
      let lease: Lease | undefined = leases.take(key, now());
      const again = setInterval(() => {
        lease = leases.take(key, now()) ?? lease;
        flight.try(work);
      }, leaseMs);
      const end = (): void => {
        clearInterval(again);
        if (flights.get(key) === flight) flights.delete(key);
      };
      flight.result.then(
        () => {
          end();
          if (lease !== undefined) leases.end(lease);
        },
        // The lease of what has failed is left to run out.
        end,
      );
      flight.try(work);
      return flight;
    },
  };
};
