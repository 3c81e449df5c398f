import { expect, test } from "vitest";
import {
  type BreakerOptions,
  type BreakerState,
  createBreaker,
  type Rejection,
  type Transition,
} from "../../../src/resilience/circuit-breaker/circuit-breaker.ts";

/** The longest jitter. */
const LATEST = 1 - 2 ** -20;

/** A breaker whose methods set the clock. */
interface Timed {
  readonly state: BreakerState;
  tryAcquire(nowMs: number, leaseMs?: number): TimedPermit | Rejection;
  probeNow(): void;
}

interface TimedPermit {
  readonly granted: true;
  ok(nowMs: number): void;
  fail(nowMs: number, retryAfterMs?: number): void;
  ignore(): void;
}

const start = (options: BreakerOptions = {}, random = () => LATEST) => {
  const transitions: Transition[] = [];
  let clockMs = 0;
  const plain = createBreaker(options, {
    now: () => clockMs,
    random,
    onTransition: (each) => transitions.push(each),
  });
  const breaker: Timed = {
    get state() {
      return plain.state;
    },
    tryAcquire: (nowMs, leaseMs) => {
      clockMs = nowMs;
      const answer = plain.tryAcquire(leaseMs);
      if (!answer.granted) return answer;
      return {
        granted: true,
        ok: (atMs) => {
          clockMs = atMs;
          answer.ok();
        },
        fail: (atMs, retryAfterMs) => {
          clockMs = atMs;
          answer.fail(retryAfterMs);
        },
        ignore: () => answer.ignore(),
      };
    },
    probeNow: () => plain.probeNow(),
  };
  return { breaker, transitions, reasons: () => transitions.map(({ reason }) => reason) };
};

const granted = (answer: TimedPermit | Rejection): TimedPermit => {
  if (!answer.granted) throw new Error(`rejected until ${answer.retryAtMs}`);
  return answer;
};

const rejected = (answer: TimedPermit | Rejection): Rejection => {
  if (answer.granted) throw new Error("granted");
  return answer;
};

const fail = (breaker: Timed, atMs: number, times = 1): void => {
  for (let turn = 0; turn < times; turn += 1) granted(breaker.tryAcquire(atMs)).fail(atMs);
};
const succeed = (breaker: Timed, atMs: number, times = 1): void => {
  for (let turn = 0; turn < times; turn += 1) granted(breaker.tryAcquire(atMs)).ok(atMs);
};

/** Opened at 0 by consecutive failures, until 1,000. */
const opened = (options: BreakerOptions = {}, random?: () => number) => {
  const begun = start(options, random);
  fail(begun.breaker, 0, options.failureThreshold ?? 5);
  return begun;
};

test("five consecutive failures open it", () => {
  const { breaker, transitions } = start();
  fail(breaker, 100, 4);
  expect(breaker.state).toBe("closed");
  fail(breaker, 100);
  expect(breaker.state).toBe("open");
  expect(transitions).toEqual([{ from: "closed", to: "open", reason: "consecutive_failures", atMs: 100 }]);
});

test("a success resets the count of consecutive failures", () => {
  const { breaker } = start();
  fail(breaker, 0, 4);
  succeed(breaker, 0);
  fail(breaker, 0, 4);
  expect(breaker.state).toBe("closed");
});

test("ten failures of twenty calls open it, of nineteen not yet", () => {
  const { breaker, reasons } = start({ failureThreshold: 100 });
  succeed(breaker, 0, 9);
  fail(breaker, 0, 10);
  expect(breaker.state).toBe("closed");
  fail(breaker, 0);
  expect(reasons()).toEqual(["failure_ratio"]);
});

test("expired failures do not count", () => {
  const { breaker } = start({ failureThreshold: 100 });
  fail(breaker, 0, 19);
  fail(breaker, 10_000);
  expect(breaker.state).toBe("closed");
});

test("four slow calls of five open it", () => {
  const { breaker, reasons } = start({ slowCallMs: 100 });
  succeed(breaker, 0, 4);
  for (let turn = 0; turn < 16; turn += 1) granted(breaker.tryAcquire(0)).ok(100);
  expect(reasons()).toEqual(["slow_ratio"]);
});

test("open, it rejects all calls with the same retry time until then", () => {
  const { breaker } = opened();
  const { retryAtMs } = rejected(breaker.tryAcquire(1));
  expect(retryAtMs).toBeCloseTo(1_000, 1);
  expect(rejected(breaker.tryAcquire(900)).retryAtMs).toBe(retryAtMs);
  granted(breaker.tryAcquire(1_000));
});

test("half-open, it admits one probe at a time; rejections carry the end of its lease", () => {
  const { breaker } = opened({ halfOpenTimeoutMs: 300 });
  const probe = granted(breaker.tryAcquire(1_000));
  expect(breaker.state).toBe("half_open");
  expect(rejected(breaker.tryAcquire(1_100)).retryAtMs).toBe(1_300);
  probe.ok(1_150);
  granted(breaker.tryAcquire(1_150));
});

test("three successful probes close it", () => {
  const { breaker, reasons } = opened();
  succeed(breaker, 1_000, 2);
  expect(breaker.state).toBe("half_open");
  succeed(breaker, 1_000);
  expect(breaker.state).toBe("closed");
  expect(reasons()).toEqual(["consecutive_failures", "timeout", "recovered"]);
});

test("a failed probe opens it for twice as long, up to the maximum", () => {
  const { breaker } = opened({ maxTimeoutMs: 5_000 });
  let nowMs = 1_000;
  for (const longestMs of [2_000, 4_000, 5_000, 5_000]) {
    fail(breaker, nowMs);
    const { retryAtMs } = rejected(breaker.tryAcquire(nowMs));
    expect(retryAtMs - nowMs).toBeCloseTo(longestMs, 1);
    nowMs = Math.ceil(retryAtMs);
  }
});

test("the open time has full jitter", () => {
  const { breaker } = opened({}, () => 0.25);
  expect(rejected(breaker.tryAcquire(0)).retryAtMs).toBe(250);
});

test("a probe whose lease runs out has failed, and its late outcome is ignored", () => {
  const { breaker, reasons } = opened({ halfOpenTimeoutMs: 300 });
  const probe = granted(breaker.tryAcquire(1_000));
  rejected(breaker.tryAcquire(1_300));
  expect(reasons()).toEqual(["consecutive_failures", "timeout", "probe_lost"]);
  probe.ok(1_301);
  expect(breaker.state).toBe("open");
});

test("a longer call extends the lease of its probe only", () => {
  const { breaker, reasons } = opened({ halfOpenTimeoutMs: 300 });
  const probe = granted(breaker.tryAcquire(1_000, 2_000));
  for (const nowMs of [1_001, 2_999]) expect(rejected(breaker.tryAcquire(nowMs)).retryAtMs).toBe(3_000);
  probe.ok(2_999);
  granted(breaker.tryAcquire(2_999));
  expect(rejected(breaker.tryAcquire(3_000)).retryAtMs).toBe(3_299);
  rejected(breaker.tryAcquire(3_299));
  expect(reasons()).toEqual(["consecutive_failures", "timeout", "probe_lost"]);
});

test("a shorter call does not shorten the lease of its probe", () => {
  const { breaker } = opened({ halfOpenTimeoutMs: 300 });
  granted(breaker.tryAcquire(1_000, 10));
  expect(rejected(breaker.tryAcquire(1_001)).retryAtMs).toBe(1_300);
});

test("after an ignored probe the next one is admitted", () => {
  const { breaker } = opened();
  granted(breaker.tryAcquire(1_000)).ignore();
  granted(breaker.tryAcquire(1_001));
  expect(breaker.state).toBe("half_open");
});

test("a slow probe has failed", () => {
  const { breaker } = opened({ slowCallMs: 100 });
  granted(breaker.tryAcquire(1_000)).ok(1_100);
  expect(breaker.state).toBe("open");
});

test("only the first outcome of a permit counts", () => {
  const { breaker } = start();
  const permit = granted(breaker.tryAcquire(0));
  for (let turn = 0; turn < 10; turn += 1) permit.fail(0);
  expect(breaker.state).toBe("closed");
});

test("pushback opens it at once, for the requested time up to the maximum", () => {
  for (const [hintMs, openMs] of [
    [7_000, 7_000],
    [3_600_000, 60_000],
  ] as const) {
    const { breaker, reasons } = start();
    granted(breaker.tryAcquire(0)).fail(0, hintMs);
    expect(rejected(breaker.tryAcquire(0)).retryAtMs).toBe(openMs);
    expect(reasons()).toEqual(["pushback"]);
  }
});

test("after closing, it admits a growing ratio of the calls", () => {
  const { breaker } = opened();
  succeed(breaker, 1_000, 3);
  const shareAt = (nowMs: number): number => {
    let passed = 0;
    for (let turn = 0; turn < 1_000; turn += 1) {
      const answer = breaker.tryAcquire(nowMs);
      if (answer.granted) {
        passed += 1;
        answer.ok(nowMs);
      }
    }
    return passed / 1_000;
  };
  expect(shareAt(1_000)).toBeCloseTo(0.1, 2);
  expect(shareAt(6_000)).toBeCloseTo(0.55, 2);
  expect(shareAt(11_000)).toBe(1);
});

test("opened on the ramp, the open time doubles; after the ramp, it starts over", () => {
  const onRamp = opened({ rampFrom: 1 });
  succeed(onRamp.breaker, 1_000, 3);
  fail(onRamp.breaker, 2_000, 5);
  expect(rejected(onRamp.breaker.tryAcquire(2_000)).retryAtMs).toBeCloseTo(4_000, 1);

  const recovered = opened();
  succeed(recovered.breaker, 1_000, 3);
  fail(recovered.breaker, 20_000, 5);
  expect(rejected(recovered.breaker.tryAcquire(20_000)).retryAtMs).toBeCloseTo(21_000, 1);
});

test("a clock that is set back does not keep it open", () => {
  const { breaker } = start({ maxTimeoutMs: 2_000 });
  fail(breaker, 1_000_000, 5);
  granted(breaker.tryAcquire(5_000));
});

test("probeNow makes an open breaker admit a probe at once", () => {
  const { breaker, reasons } = opened();
  rejected(breaker.tryAcquire(1));
  breaker.probeNow();
  granted(breaker.tryAcquire(1));
  expect(reasons()).toEqual(["consecutive_failures", "timeout"]);
});

test("probeNow ends a pause that the dependency asked for", () => {
  const { breaker } = start();
  granted(breaker.tryAcquire(0)).fail(0, 30_000);
  breaker.probeNow();
  granted(breaker.tryAcquire(1));
});

test("after a failed early probe the open time doubles", () => {
  const { breaker } = opened();
  breaker.probeNow();
  fail(breaker, 1);
  expect(rejected(breaker.tryAcquire(1)).retryAtMs).toBeCloseTo(2_001, 1);
});

test.for([
  { failureThreshold: 0 },
  { minimumCalls: 1.5 },
  { failureRatio: 0 },
  { slowRatio: 1.1 },
  { timeoutMs: 0 },
  { rampMs: -1 },
  { halfOpenTimeoutMs: Number.NaN },
])("invalid options are rejected: %o", (options) => {
  const [name = ""] = Object.keys(options);
  expect(() => start(options)).toThrow(name);
});
