/** Invariants of the limit under any sequence of events. */
import fc from "fast-check";
import { expect, test } from "vitest";
import type { Priority } from "../../../src/contract/policy.ts";
import {
  ConcurrencyLimit,
  type Permit,
  PRIORITIES,
  type ShedReason,
  type Waiting,
  type WorkOutcome,
} from "../../../src/resilience/concurrency-limit/concurrency-limit.ts";

const OPTIONS = { minLimit: 2, maxLimit: 12, initialLimit: 4, minQueue: 4, minimumSamples: 3 };
/** The maximum time in the queue. */
const MAX_WAIT_MS = 1_000;

type Step =
  | { readonly do: "request"; readonly priority: Priority; readonly kind: string }
  | { readonly do: "release"; readonly which: number; readonly outcome: WorkOutcome }
  | { readonly do: "leave"; readonly which: number }
  | { readonly do: "advance"; readonly ms: number }
  | { readonly do: "sweep" };

const step: fc.Arbitrary<Step> = fc.oneof(
  {
    weight: 8,
    arbitrary: fc.record({
      do: fc.constant("request" as const),
      priority: fc.constantFrom(...PRIORITIES),
      kind: fc.constantFrom("a", "b"),
    }),
  },
  {
    weight: 6,
    arbitrary: fc.record({
      do: fc.constant("release" as const),
      which: fc.nat(1_000),
      outcome: fc.constantFrom<WorkOutcome[]>("ok", "ok", "missed", "ignored"),
    }),
  },
  { weight: 1, arbitrary: fc.record({ do: fc.constant("leave" as const), which: fc.nat(1_000) }) },
  { weight: 4, arbitrary: fc.record({ do: fc.constant("advance" as const), ms: fc.nat(200) }) },
  { weight: 1, arbitrary: fc.constant<Step>({ do: "sweep" }) },
);

interface Request {
  readonly priority: Priority;
  /** How it was notified: once at most. */
  readonly notifications: ("admitted" | ShedReason)[];
  permit: Permit | undefined;
  waiting: Waiting | undefined;
  isReleased: boolean;
  hasLeft: boolean;
}

/** A request shed for lack of room, and the queue at that time. */
interface ShedForRoom {
  readonly priority: Priority;
  readonly waiting: readonly Priority[];
}

const rank = (priority: Priority): number => PRIORITIES.indexOf(priority);

class Play {
  nowMs = 0;
  readonly requests: Request[] = [];
  readonly shedForRoom: ShedForRoom[] = [];
  readonly limit = new ConcurrencyLimit(OPTIONS, {
    now: () => this.nowMs,
    onShed: ({ priority, reason }) => {
      if (reason === "waited_too_long") return;
      this.shedForRoom.push({ priority, waiting: this.waiting.map((each) => each.priority) });
    },
  });

  get waiting(): Request[] {
    return this.requests.filter(
      ({ waiting, notifications, hasLeft }) => waiting && notifications.length === 0 && !hasLeft,
    );
  }

  get inFlight(): Request[] {
    return this.requests.filter(({ permit, isReleased }) => permit !== undefined && !isReleased);
  }

  take(each: Step): void {
    if (each.do === "advance") this.nowMs += each.ms;
    else if (each.do === "sweep") this.limit.sweep();
    else if (each.do === "request") this.#request(each.kind, each.priority);
    else if (each.do === "leave") this.#leave(this.waiting.at(each.which % Math.max(1, this.waiting.length)));
    else this.#release(this.inFlight.at(each.which % Math.max(1, this.inFlight.length)), each.outcome);
  }

  #request(kind: string, priority: Priority): void {
    const request: Request = {
      priority,
      notifications: [],
      permit: undefined,
      waiting: undefined,
      isReleased: false,
      hasLeft: false,
    };
    this.requests.push(request);
    const admitted = (permit: Permit): void => {
      request.notifications.push("admitted");
      request.permit = permit;
    };
    const permit = this.limit.tryAcquire(kind);
    if (permit !== undefined) {
      admitted(permit);
      return;
    }
    const waiting = this.limit.enqueue(kind, priority, {
      admitted,
      shed: (reason) => request.notifications.push(reason),
    });
    if (waiting === "queue_full") request.notifications.push(waiting);
    else request.waiting = waiting;
  }

  #leave(request: Request | undefined): void {
    request?.waiting?.leave();
    if (request !== undefined) request.hasLeft = true;
  }

  #release(request: Request | undefined, outcome: WorkOutcome): void {
    if (request === undefined) return;
    request.isReleased = true;
    request.permit?.release(outcome);
    // A second release has no effect.
    request.permit?.release("ok");
  }
}

const anySteps = fc.array(step, { maxLength: 300 });
const RUNS = { numRuns: 200 };

/** Checks after each step; `before` is the number in flight before it. */
const assertAlways = (check: (play: Play, before: number) => void): void =>
  fc.assert(
    fc.property(anySteps, (steps) => {
      const play = new Play();
      for (const each of steps) {
        const before = play.limit.inFlight;
        play.take(each);
        check(play, before);
      }
    }),
    RUNS,
  );

test("no more work begins than the limit allows", () => {
  assertAlways(({ limit }, before) => {
    expect(limit.inFlight).toBeLessThanOrEqual(Math.max(limit.limit, before));
  });
});

test("every request is in flight, queued or ended, and is notified once", () => {
  assertAlways(({ limit, requests, waiting, inFlight }) => {
    for (const { notifications, hasLeft } of requests)
      expect(notifications.length).toBeLessThanOrEqual(hasLeft ? 0 : 1);
    expect(limit.inFlight).toBe(inFlight.length);
    expect(limit.queued).toBe(waiting.length);
  });
});

test("no request is shed for lack of room while one of a lower priority waits", () => {
  assertAlways(({ shedForRoom }) => {
    for (const { priority, waiting } of shedForRoom)
      expect(waiting.filter((each) => rank(each) > rank(priority))).toEqual([]);
  });
});

test("no request waits while a permit is free", () => {
  assertAlways(({ limit }) => {
    if (limit.queued > 0) expect(limit.inFlight).toBeGreaterThanOrEqual(limit.limit);
  });
});

test("the limit and the queue stay within their bounds", () => {
  assertAlways(({ limit }) => {
    expect(limit.limit).toBeLessThanOrEqual(OPTIONS.maxLimit);
    // A probe halves the limit.
    expect(limit.limit).toBeGreaterThanOrEqual(OPTIONS.minLimit / 2);
    expect(limit.queued).toBeLessThanOrEqual(OPTIONS.maxLimit);
  });
});

test("no request is stuck: the queue is empty when all work is done and the maximum wait is over", () => {
  fc.assert(
    fc.property(anySteps, (steps) => {
      const play = new Play();
      for (const each of steps) play.take(each);
      for (let turns = 0; play.inFlight.length > 0; turns += 1) {
        expect(turns).toBeLessThan(1_000);
        play.take({ do: "release", which: 0, outcome: "ok" });
      }
      play.nowMs += MAX_WAIT_MS;
      play.limit.sweep();
      expect(play.limit).toMatchObject({ inFlight: 0, queued: 0 });
      expect(play.limit.tryAcquire("a")).toBeDefined();
    }),
    RUNS,
  );
});
