/** What comes of an attempt: for its origin's latency, for its breaker, and for what is under way. */
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { Endpoint, EndpointPermit } from "../../../src/resilience/balancer/endpoint.ts";
import { balancerSettings } from "../../../src/resilience/balancer/options.ts";
import type {
  Breaker,
  BreakerState,
  Permit,
} from "../../../src/resilience/circuit-breaker/circuit-breaker.ts";
import { END_NAMES, ENDS, type EndName, START_MS } from "./support/scene.ts";

type Verdict = "ok" | "fail" | "ignore";

/** An origin on a clock of its own, and what its breaker is told. */
class Stage {
  nowMs = START_MS;
  readonly told: Verdict[] = [];
  readonly member: Endpoint;

  constructor(state: BreakerState = "closed") {
    const random = (): number => 0;
    const breaker: Breaker = {
      state,
      tryAcquire: () => ({ granted: false, retryAtMs: 0 }),
      run: (attempt) => attempt(),
      probeNow: () => undefined,
      rejections: 0,
    };
    this.member = new Endpoint({
      index: 3,
      weight: 1,
      breaker,
      settings: balancerSettings({}),
      now: () => this.nowMs,
      random,
      onHealthy: () => undefined,
    });
  }

  begin(isProbe = false): EndpointPermit {
    const permit: Permit = {
      granted: true,
      ok: () => this.told.push("ok"),
      fail: () => this.told.push("fail"),
      ignore: () => this.told.push("ignore"),
    };
    return new EndpointPermit(this.member, permit, isProbe, this.nowMs);
  }

  /** Begins one that ends after so long. */
  end(how: EndName, afterMs: number, isProbe = false): void {
    const attempt = this.begin(isProbe);
    this.nowMs += afterMs;
    ENDS[how](attempt);
  }

  inFlight(): number {
    return this.member.inFlight.count(this.nowMs);
  }
}

test("an attempt says which origin it is for, and whether it is a look", () => {
  const stage = new Stage();
  expect(stage.begin()).toMatchObject({ granted: true, origin: 3, isProbe: false });
  expect(stage.begin(true)).toMatchObject({ granted: true, origin: 3, isProbe: true });
});

describe("only the first end of an attempt counts", () => {
  test.for(END_NAMES)("which is that it was %s", (how) => {
    const stage = new Stage();
    stage.end("answered", 100);
    stage.begin();
    const attempt = stage.begin();
    stage.nowMs += 200;
    ENDS[how](attempt);
    const { failures, latency, isFailing } = stage.member;
    const after = { failures, isFailing, ms: latency.ms, told: [...stage.told], inFlight: stage.inFlight() };
    expect(after.inFlight).toBe(1);
    stage.nowMs += 200;
    for (const later of END_NAMES) ENDS[later](attempt);
    expect({
      failures: stage.member.failures,
      isFailing: stage.member.isFailing,
      ms: stage.member.latency.ms,
      told: stage.told,
      inFlight: stage.inFlight(),
    }).toEqual(after);
  });
});

describe("what an origin's breaker is told", () => {
  const VERDICTS: Readonly<Record<EndName, Verdict>> = {
    answered: "ok",
    erred: "ok",
    refused: "ok",
    broken: "fail",
    gateway: "fail",
    "timed out": "fail",
    outrun: "ignore",
    ignored: "ignore",
  };

  test.for(END_NAMES)("of one that was %s", (how) => {
    const stage = new Stage();
    stage.end(how, 100);
    expect(stage.told).toEqual([VERDICTS[how]]);
  });

  test.for(END_NAMES)("of a probe that was %s, which is to be as good as others' requests", (how) => {
    const stage = new Stage("half_open");
    stage.end(how, 100, true);
    expect(stage.told).toEqual([how === "outrun" ? "fail" : VERDICTS[how]]);
  });

  test("of several that were under way together and broke is one failure: one pod of many may have gone", () => {
    const stage = new Stage();
    const together = Array.from({ length: 4 }, () => stage.begin());
    for (const attempt of together) attempt.unreachable("broken");
    expect(stage.told).toEqual(["fail", "ignore", "ignore", "ignore"]);
    stage.end("broken", 0);
    expect(stage.told.at(-1)).toBe("fail");
  });

  test.for(["gateway", "timed out"] as const)("of several under way together that were %s is each", (how) => {
    const stage = new Stage();
    const together = Array.from({ length: 3 }, () => stage.begin());
    for (const attempt of together) ENDS[how](attempt);
    expect(stage.told).toEqual(["fail", "fail", "fail"]);
  });

  test("of a probe that broke is a failure, whatever failed in the meantime", () => {
    const stage = new Stage("half_open");
    const probe = stage.begin(true);
    stage.begin(true).unreachable("broken");
    probe.unreachable("broken");
    expect(stage.told).toEqual(["fail", "fail"]);
  });

  test("of one that broke is a failure where others that were under way failed in another way", () => {
    const stage = new Stage();
    const [refused, lost, broken] = [stage.begin(), stage.begin(), stage.begin()];
    refused?.refused(0);
    lost?.unreachable("gateway");
    broken?.unreachable("broken");
    expect(stage.told).toEqual(["ok", "fail", "fail"]);
  });

  test.for([
    "answered",
    "erred",
    "refused",
  ] as const)("of one that timed out is nothing where another one was %s meanwhile: it is slow, and there", (how) => {
    const stage = new Stage();
    const slow = stage.begin();
    stage.nowMs += 5_000;
    ENDS[how](stage.begin());
    const { failures } = stage.member;
    stage.nowMs += 5_000;
    slow.unreachable("timed_out");
    expect(stage.told).toEqual(["ok", "ignore"]);
    expect(stage.member.failures).toBe(failures);
  });

  test("of one that timed out is a failure where nothing was heard after it was sent", () => {
    const stage = new Stage();
    stage.end("answered", 100);
    stage.nowMs += 1;
    stage.end("timed out", 10_000);
    expect(stage.told).toEqual(["ok", "fail"]);
  });

  test("of a probe that timed out is a failure, whatever was heard meanwhile", () => {
    const stage = new Stage("half_open");
    const probe = stage.begin(true);
    stage.begin().serverError();
    stage.nowMs += 10_000;
    probe.unreachable("timed_out");
    expect(stage.told).toEqual(["ok", "fail"]);
  });

  test("of one that timed out on a clock that was set back is a failure", () => {
    const stage = new Stage();
    stage.end("answered", 100);
    stage.nowMs -= 3_600_000;
    stage.end("timed out", 10_000);
    expect(stage.told).toEqual(["ok", "fail"]);
  });
});

describe("how long an origin takes", () => {
  const known = (ms: number): Stage => {
    const stage = new Stage();
    stage.end("answered", ms);
    return stage;
  };

  test("is known by its answers", () => {
    expect(known(100).member.latency.ms).toBe(100);
  });

  test("is known a little better by each of them, and by a look altogether", () => {
    const stage = known(100);
    const together = [stage.begin(), stage.begin(true)];
    stage.nowMs += 20;
    together[0]?.answered();
    expect(stage.member.latency.ms).toBeCloseTo(92, 9);
    together[1]?.answered();
    expect(stage.member.latency.ms).toBe(20);
  });

  test.for(
    END_NAMES.filter((how) => how !== "answered" && how !== "outrun"),
  )("is neither less nor more by what was %s at once, or after long", (how) => {
    const stage = known(100);
    for (const [afterMs, isProbe] of [
      [0, false],
      [30_000, false],
      [30_000, true],
    ] as const) {
      stage.nowMs += 1;
      stage.end(how, afterMs, isProbe);
    }
    expect(stage.member.latency.ms).toBe(100);
  });

  test("is more by what timed out while it answered others", () => {
    const stage = known(100);
    const slow = stage.begin();
    stage.nowMs += 500;
    stage.begin().serverError();
    slow.unreachable("timed_out");
    expect(stage.member.latency.ms).toBeCloseTo(200, 9);
  });

  test("is twice as long with each that was outrun, up to what a failure counts for", () => {
    const stage = new Stage();
    const after = Array.from({ length: 5 }, () => {
      stage.nowMs += 1_000_000;
      stage.end("outrun", 500);
      return stage.member.latency.ms;
    });
    expect(after).toEqual([500, 1_000, 2_000, 4_000, 5_000]);
  });

  test("is not less than nothing where the clock was set back before one timed out", () => {
    const stage = known(100);
    const slow = stage.begin();
    stage.begin().serverError();
    stage.nowMs -= 3_600_000;
    slow.unreachable("timed_out");
    expect(stage.member.latency.ms).toBeGreaterThanOrEqual(0);
  });

  test("is nothing where the clock was set back meanwhile, and not less", () => {
    for (const how of ["answered", "outrun"] as const) {
      const stage = new Stage();
      stage.end(how, -3_600_000);
      expect(stage.member.latency.ms ?? 0).toBe(0);
    }
  });
});

type Step =
  | { readonly do: "begin"; readonly isProbe: boolean }
  | { readonly do: "end"; readonly which: number; readonly how: EndName }
  | { readonly do: "pass"; readonly ms: number };

const step: fc.Arbitrary<Step> = fc.oneof(
  { weight: 4, arbitrary: fc.record({ do: fc.constant("begin" as const), isProbe: fc.boolean() }) },
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

test("once all attempts have ended, in any order and however often, nothing is under way", () => {
  fc.assert(
    fc.property(fc.array(step, { maxLength: 100, size: "max" }), (steps) => {
      const stage = new Stage();
      const begun: EndpointPermit[] = [];
      for (const each of steps) {
        if (each.do === "pass") stage.nowMs += each.ms;
        else if (each.do === "begin") begun.push(stage.begin(each.isProbe));
        else {
          const attempt = begun[each.which % Math.max(1, begun.length)];
          if (attempt !== undefined) ENDS[each.how](attempt);
        }
        expect(stage.inFlight()).toBeGreaterThanOrEqual(0);
        expect(stage.inFlight()).toBeLessThanOrEqual(begun.length);
      }
      for (const attempt of begun) attempt.ignore();
      expect(stage.inFlight()).toBe(0);
      expect(stage.told).toHaveLength(begun.length);
    }),
  );
});
