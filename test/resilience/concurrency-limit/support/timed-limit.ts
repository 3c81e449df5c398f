/** A limit with a manual clock that records every event. */
import type { Priority } from "../../../../src/contract/policy.ts";
import {
  ConcurrencyLimit,
  type ConcurrencyLimitOptions,
  type Permit,
  type Shed,
  type Waiting,
  type WorkOutcome,
} from "../../../../src/resilience/concurrency-limit/concurrency-limit.ts";

export interface TimedLimit {
  readonly limit: ConcurrencyLimit;
  readonly sheds: readonly Shed[];
  /** What happened to requests, by name and in order, such as "a admitted" or "b displaced". */
  readonly events: readonly string[];
  /** Permits in use, by the request's name. */
  readonly permits: ReadonlyMap<string, Permit>;
  /** Acquires a permit or enqueues. */
  request(name: string, priority?: Priority): Waiting | undefined;
  release(name: string, outcome?: WorkOutcome): void;
  advance(ms: number): void;
}

/** Bursts are off by default. */
export const timedLimit = (options: ConcurrencyLimitOptions = {}): TimedLimit => {
  const sheds: Shed[] = [];
  const events: string[] = [];
  const permits = new Map<string, Permit>();
  let nowMs = 1_000;
  const limit = new ConcurrencyLimit(
    { burstMs: 0, ...options },
    { now: () => nowMs, onShed: (shed) => sheds.push(shed) },
  );
  const admitted = (name: string, permit: Permit): void => {
    permits.set(name, permit);
    events.push(`${name} admitted`);
  };
  return {
    limit,
    sheds,
    events,
    permits,
    request: (name, priority = "read") => {
      const permit = limit.tryAcquire("kind");
      if (permit !== undefined) {
        admitted(name, permit);
        return undefined;
      }
      const waiting = limit.enqueue("kind", priority, {
        admitted: (later) => admitted(name, later),
        shed: (reason) => events.push(`${name} ${reason}`),
      });
      if (waiting !== "queue_full") return waiting;
      events.push(`${name} queue_full`);
      return undefined;
    },
    release: (name, outcome = "ok") => {
      const permit = permits.get(name);
      permits.delete(name);
      permit?.release(outcome);
    },
    advance: (ms) => {
      nowMs += ms;
    },
  };
};
