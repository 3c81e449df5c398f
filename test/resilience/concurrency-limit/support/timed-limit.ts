/** A limit under a clock that a test sets, and what it has told. */
import type { Priority } from "../../../../src/contract/policy.ts";
import {
  createOverloadLimit,
  type OverloadLimit,
  type Place,
  type Waiter,
} from "../../../../src/resilience/concurrency-limit/concurrency-limit.ts";
import type { OverloadOptions } from "../../../../src/resilience/concurrency-limit/options.ts";
import type { Shed } from "../../../../src/resilience/concurrency-limit/shed.ts";

export interface TimedLimit {
  readonly limit: OverloadLimit;
  readonly sheds: readonly Shed[];
  /** What those who asked were told, by their names and in that order, such as "a admitted" or "b displaced". */
  readonly told: readonly string[];
  /** Places that are taken, by the names of who has them. */
  readonly places: ReadonlyMap<string, Place>;
  /** Enters, or waits. */
  ask(name: string, priority?: Priority): Waiter | undefined;
  /** Ends the work of who has a place. */
  end(name: string, how?: "answered" | "missed" | "ignore"): void;
  wait(ms: number): void;
}

/** Unless it is said otherwise, whoever waits is of no burst. */
export const timedLimit = (options: OverloadOptions = {}): TimedLimit => {
  const sheds: Shed[] = [];
  const told: string[] = [];
  const places = new Map<string, Place>();
  let nowMs = 1_000;
  const limit = createOverloadLimit(
    { burstMs: 0, ...options },
    { now: () => nowMs, onShed: (shed) => sheds.push(shed) },
  );
  const admitted = (name: string, place: Place): void => {
    places.set(name, place);
    told.push(`${name} admitted`);
  };
  return {
    limit,
    sheds,
    told,
    places,
    ask: (name, priority = "read") => {
      const place = limit.tryEnter("kind");
      if (place !== undefined) {
        admitted(name, place);
        return undefined;
      }
      const answer = limit.wait("kind", priority, {
        admitted: (later) => admitted(name, later),
        shed: (reason) => told.push(`${name} ${reason}`),
      });
      if (answer.isWaiting) return answer;
      told.push(`${name} ${answer.reason}`);
      return undefined;
    },
    end: (name, how = "answered") => {
      const place = places.get(name);
      places.delete(name);
      place?.[how]();
    },
    wait: (ms) => {
      nowMs += ms;
    },
  };
};
