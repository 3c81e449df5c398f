/** What holds of a limit whatever happens to its work, in whichever order. */
import fc from "fast-check";
import { expect, test } from "vitest";
import type { Priority } from "../../../src/contract/policy.ts";
import {
  createOverloadLimit,
  type Place,
  type Waiter,
} from "../../../src/resilience/concurrency-limit/concurrency-limit.ts";
import { PRIORITIES, type ShedReason } from "../../../src/resilience/concurrency-limit/shed.ts";

const OPTIONS = { minLimit: 2, maxLimit: 12, initialLimit: 4, minQueue: 4, minimumSamples: 3 };
/** The longest that anybody may wait. */
const MAX_WAIT_MS = 1_000;

type Step =
  | { readonly do: "ask"; readonly priority: Priority; readonly kind: string }
  | { readonly do: "end"; readonly which: number; readonly how: "answered" | "missed" | "ignore" }
  | { readonly do: "leave"; readonly which: number }
  | { readonly do: "wait"; readonly ms: number }
  | { readonly do: "sweep" };

const step: fc.Arbitrary<Step> = fc.oneof(
  {
    weight: 8,
    arbitrary: fc.record({
      do: fc.constant("ask" as const),
      priority: fc.constantFrom(...PRIORITIES),
      kind: fc.constantFrom("a", "b"),
    }),
  },
  {
    weight: 6,
    arbitrary: fc.record({
      do: fc.constant("end" as const),
      which: fc.nat(1_000),
      how: fc.constantFrom("answered" as const, "answered" as const, "missed" as const, "ignore" as const),
    }),
  },
  { weight: 1, arbitrary: fc.record({ do: fc.constant("leave" as const), which: fc.nat(1_000) }) },
  { weight: 4, arbitrary: fc.record({ do: fc.constant("wait" as const), ms: fc.nat(200) }) },
  { weight: 1, arbitrary: fc.constant<Step>({ do: "sweep" }) },
);

/** One who asked. */
interface Asker {
  readonly priority: Priority;
  /** What it was told; more than one thing would be one too many. */
  readonly told: ("admitted" | ShedReason)[];
  place: Place | undefined;
  waiter: Waiter | undefined;
  hasEnded: boolean;
  hasLeft: boolean;
}

/** Somebody shed for want of room, and who waited then. */
interface ShedForRoom {
  readonly priority: Priority;
  readonly waiting: readonly Priority[];
}

const rank = (priority: Priority): number => PRIORITIES.indexOf(priority);

class Play {
  nowMs = 0;
  readonly askers: Asker[] = [];
  readonly shedForRoom: ShedForRoom[] = [];
  readonly limit = createOverloadLimit(OPTIONS, {
    now: () => this.nowMs,
    onShed: ({ priority, reason }) => {
      if (reason === "waited_too_long") return;
      this.shedForRoom.push({ priority, waiting: this.waiting.map((each) => each.priority) });
    },
  });

  get waiting(): Asker[] {
    return this.askers.filter(({ waiter, told, hasLeft }) => waiter && told.length === 0 && !hasLeft);
  }

  get underWay(): Asker[] {
    return this.askers.filter(({ place, hasEnded }) => place !== undefined && !hasEnded);
  }

  take(each: Step): void {
    if (each.do === "wait") this.nowMs += each.ms;
    else if (each.do === "sweep") this.limit.sweep();
    else if (each.do === "ask") this.#ask(each.kind, each.priority);
    else if (each.do === "leave") this.#leave(this.waiting.at(each.which % Math.max(1, this.waiting.length)));
    else this.#end(this.underWay.at(each.which % Math.max(1, this.underWay.length)), each.how);
  }

  #ask(kind: string, priority: Priority): void {
    const asker: Asker = {
      priority,
      told: [],
      place: undefined,
      waiter: undefined,
      hasEnded: false,
      hasLeft: false,
    };
    this.askers.push(asker);
    const admitted = (place: Place): void => {
      asker.told.push("admitted");
      asker.place = place;
    };
    const place = this.limit.tryEnter(kind);
    if (place !== undefined) {
      admitted(place);
      return;
    }
    const answer = this.limit.wait(kind, priority, { admitted, shed: (reason) => asker.told.push(reason) });
    if (answer.isWaiting) asker.waiter = answer;
    else asker.told.push(answer.reason);
  }

  #leave(asker: Asker | undefined): void {
    asker?.waiter?.leave();
    if (asker !== undefined) asker.hasLeft = true;
  }

  #end(asker: Asker | undefined, how: "answered" | "missed" | "ignore"): void {
    if (asker === undefined) return;
    asker.hasEnded = true;
    asker.place?.[how]();
    // What it is told besides does not count.
    asker.place?.answered();
  }
}

const anySteps = fc.array(step, { maxLength: 300 });
const RUNS = { numRuns: 200 };

/** Looks after each step; the last argument is how much was under way before it. */
const assertAlways = (look: (play: Play, before: number) => void): void =>
  fc.assert(
    fc.property(anySteps, (steps) => {
      const play = new Play();
      for (const each of steps) {
        const before = play.limit.inFlight;
        play.take(each);
        look(play, before);
      }
    }),
    RUNS,
  );

test("never more begins than the limit allows", () => {
  assertAlways(({ limit }, before) => {
    expect(limit.inFlight).toBeLessThanOrEqual(Math.max(limit.limit, before));
  });
});

test("all who asked are under way, waiting, shed or gone, and were told once", () => {
  assertAlways(({ limit, askers, waiting, underWay }) => {
    for (const { told, hasLeft } of askers) expect(told.length).toBeLessThanOrEqual(hasLeft ? 0 : 1);
    expect(limit.inFlight).toBe(underWay.length);
    expect(limit.queued).toBe(waiting.length);
  });
});

test("nobody is shed for want of room while one of a lower priority waits", () => {
  assertAlways(({ shedForRoom }) => {
    for (const { priority, waiting } of shedForRoom)
      expect(waiting.filter((each) => rank(each) > rank(priority))).toEqual([]);
  });
});

test("nobody waits while a place is free", () => {
  assertAlways(({ limit }) => {
    if (limit.queued > 0) expect(limit.inFlight).toBeGreaterThanOrEqual(limit.limit);
  });
});

test("the limit and the queue stay within their bounds", () => {
  assertAlways(({ limit }) => {
    expect(limit.limit).toBeLessThanOrEqual(OPTIONS.maxLimit);
    // While the baselines are checked it is half of the lowest.
    expect(limit.limit).toBeGreaterThanOrEqual(OPTIONS.minLimit / 2);
    expect(limit.queued).toBeLessThanOrEqual(OPTIONS.maxLimit);
  });
});

test("nothing is ever stuck: when all work is done and the time is up, nobody waits", () => {
  fc.assert(
    fc.property(anySteps, (steps) => {
      const play = new Play();
      for (const each of steps) play.take(each);
      for (let turns = 0; play.underWay.length > 0; turns += 1) {
        expect(turns).toBeLessThan(1_000);
        play.take({ do: "end", which: 0, how: "answered" });
      }
      play.nowMs += MAX_WAIT_MS;
      play.limit.sweep();
      expect(play.limit).toMatchObject({ inFlight: 0, queued: 0 });
      expect(play.limit.tryEnter("a")).toBeDefined();
    }),
    RUNS,
  );
});
