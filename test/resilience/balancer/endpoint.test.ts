/** What the outcome of an attempt changes: the latency of its origin, its breaker, and the requests in flight. */
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { Endpoint, EndpointPermit } from "../../../src/resilience/balancer/endpoint.ts";
import type {
  Breaker,
  BreakerState,
  Permit,
} from "../../../src/resilience/circuit-breaker/circuit-breaker.ts";
import { END_NAMES, ENDS, type EndName, START_MS } from "./support/scene.ts";

type Reported = "ok" | "fail" | "ignore";

/** An origin with a manual clock, and the outcomes reported to its breaker. */
class Stage {
  nowMs = START_MS;
  readonly reported: Reported[] = [];
  readonly endpoint: Endpoint;

  constructor(state: BreakerState = "closed") {
    const random = (): number => 0;
    const breaker: Breaker = {
      state,
      tryAcquire: () => ({ granted: false, retryAtMs: 0 }),
      run: (attempt) => attempt(),
      probeNow: () => undefined,
      rejections: 0,
    };
    this.endpoint = new Endpoint({
      index: 3,
      weight: 1,
      breaker,
      now: () => this.nowMs,
      random,
      onHealthy: () => undefined,
    });
  }

  start(isProbe = false): EndpointPermit {
    const permit: Permit = {
      granted: true,
      ok: () => this.reported.push("ok"),
      fail: () => this.reported.push("fail"),
      ignore: () => this.reported.push("ignore"),
    };
    return new EndpointPermit(this.endpoint, permit, isProbe, this.nowMs);
  }

  /** Starts an attempt and ends it after this time. */
  end(how: EndName, afterMs: number, isProbe = false): void {
    const attempt = this.start(isProbe);
    this.nowMs += afterMs;
    ENDS[how](attempt);
  }

  inFlight(): number {
    return this.endpoint.inFlight.count(this.nowMs);
  }
}

describe("only the first outcome of an attempt counts", () => {
  test.for(END_NAMES)("%s", (how) => {
    const stage = new Stage();
    stage.end("answered", 100);
    stage.start();
    const attempt = stage.start();
    stage.nowMs += 200;
    ENDS[how](attempt);
    const { failures, latency, isFailing } = stage.endpoint;
    const after = {
      failures,
      isFailing,
      ms: latency.ms,
      reported: [...stage.reported],
      inFlight: stage.inFlight(),
    };
    expect(after.inFlight).toBe(1);
    stage.nowMs += 200;
    for (const later of END_NAMES) ENDS[later](attempt);
    expect({
      failures: stage.endpoint.failures,
      isFailing: stage.endpoint.isFailing,
      ms: stage.endpoint.latency.ms,
      reported: stage.reported,
      inFlight: stage.inFlight(),
    }).toEqual(after);
  });
});

describe("the outcome reported to the breaker", () => {
  const REPORTED: Readonly<Record<EndName, Reported>> = {
    answered: "ok",
    "server error": "ok",
    refused: "ok",
    broken: "fail",
    gateway: "fail",
    "timed out": "fail",
    "hedge lost": "ignore",
    ignored: "ignore",
  };

  test.for(END_NAMES)("of an attempt: %s", (how) => {
    const stage = new Stage();
    stage.end(how, 100);
    expect(stage.reported).toEqual([REPORTED[how]]);
  });

  test.for(END_NAMES)("of a probe of an ejected origin: %s", (how) => {
    const stage = new Stage("half_open");
    stage.end(how, 100, true);
    expect(stage.reported).toEqual([how === "hedge lost" ? "fail" : REPORTED[how]]);
  });

  test("of a probe with a broken connection is a failure, even if others broke meanwhile", () => {
    const stage = new Stage("half_open");
    const probe = stage.start(true);
    stage.start(true).unreachable("broken");
    probe.unreachable("broken");
    expect(stage.reported).toEqual(["fail", "fail"]);
  });

  test.for([
    "answered",
    "server error",
    "refused",
  ] as const)("of a timeout is ignored, if another attempt ended meanwhile: %s", (how) => {
    const stage = new Stage();
    const slow = stage.start();
    stage.nowMs += 5_000;
    ENDS[how](stage.start());
    const { failures } = stage.endpoint;
    stage.nowMs += 5_000;
    slow.unreachable("timed_out");
    expect(stage.reported).toEqual(["ok", "ignore"]);
    expect(stage.endpoint.failures).toBe(failures);
  });

  test("of a timeout is a failure without a response after its start", () => {
    const stage = new Stage();
    stage.end("answered", 100);
    stage.nowMs += 1;
    stage.end("timed out", 10_000);
    expect(stage.reported).toEqual(["ok", "fail"]);
  });

  test("of a probe that timed out is a failure, even if there were responses meanwhile", () => {
    const stage = new Stage("half_open");
    const probe = stage.start(true);
    stage.start().serverError();
    stage.nowMs += 10_000;
    probe.unreachable("timed_out");
    expect(stage.reported).toEqual(["ok", "fail"]);
  });

  test("of a timeout on a clock that was set back is a failure", () => {
    const stage = new Stage();
    stage.end("answered", 100);
    stage.nowMs -= 3_600_000;
    stage.end("timed out", 10_000);
    expect(stage.reported).toEqual(["ok", "fail"]);
  });
});

describe("the latency of an origin", () => {
  const answeredAfter = (ms: number): Stage => {
    const stage = new Stage();
    stage.end("answered", ms);
    return stage;
  };

  test("follows each answer a little, and that of a probe completely", () => {
    const stage = answeredAfter(100);
    const together = [stage.start(), stage.start(true)];
    stage.nowMs += 20;
    together[0]?.answered();
    expect(stage.endpoint.latency.ms).toBeCloseTo(92, 9);
    together[1]?.answered();
    expect(stage.endpoint.latency.ms).toBe(20);
  });

  test.for(
    END_NAMES.filter((how) => how !== "answered" && how !== "hedge lost"),
  )("does not change, at once or after a long time: %s", (how) => {
    const stage = answeredAfter(100);
    for (const [afterMs, isProbe] of [
      [0, false],
      [30_000, false],
      [30_000, true],
    ] as const) {
      stage.nowMs += 1;
      stage.end(how, afterMs, isProbe);
    }
    expect(stage.endpoint.latency.ms).toBe(100);
  });

  test("rises with a timeout while others are answered", () => {
    const stage = answeredAfter(100);
    const slow = stage.start();
    stage.nowMs += 500;
    stage.start().serverError();
    slow.unreachable("timed_out");
    expect(stage.endpoint.latency.ms).toBeCloseTo(200, 9);
  });
});

type Step =
  | { readonly do: "start"; readonly isProbe: boolean }
  | { readonly do: "end"; readonly which: number; readonly how: EndName }
  | { readonly do: "pass"; readonly ms: number };

const step: fc.Arbitrary<Step> = fc.oneof(
  { weight: 4, arbitrary: fc.record({ do: fc.constant("start" as const), isProbe: fc.boolean() }) },
  {
    weight: 3,
    arbitrary: fc.record({
      do: fc.constant("end" as const),
      which: fc.nat(1_000),
      how: fc.constantFrom(...END_NAMES),
    }),
  },
  {
    weight: 2,
    arbitrary: fc.record({
      do: fc.constant("pass" as const),
      ms: fc.integer({ min: -50_000, max: 50_000 }),
    }),
  },
);

test("after all attempts have ended, in any order and more than once, none is in flight", () => {
  fc.assert(
    fc.property(fc.array(step, { maxLength: 100, size: "max" }), (steps) => {
      const stage = new Stage();
      const started: EndpointPermit[] = [];
      for (const each of steps) {
        if (each.do === "pass") stage.nowMs += each.ms;
        else if (each.do === "start") started.push(stage.start(each.isProbe));
        else {
          const attempt = started[each.which % Math.max(1, started.length)];
          if (attempt !== undefined) ENDS[each.how](attempt);
        }
        expect(stage.inFlight()).toBeGreaterThanOrEqual(0);
        expect(stage.inFlight()).toBeLessThanOrEqual(started.length);
      }
      for (const attempt of started) attempt.ignore();
      expect(stage.inFlight()).toBe(0);
      expect(stage.reported).toHaveLength(started.length);
    }),
  );
});
