import { expect, test } from "vitest";
import { opened, start } from "./scene.ts";

test("five consecutive failures open it", () => {
  const { breaker, transitions, fail } = start();
  fail(100, 4);
  expect(breaker.state).toBe("closed");
  fail(100);
  expect(breaker.state).toBe("open");
  expect(transitions).toEqual([{ from: "closed", to: "open", reason: "consecutive_failures", atMs: 100 }]);
});

test("a success resets the count of consecutive failures", () => {
  const { breaker, fail, succeed } = start();
  fail(0, 4);
  succeed(0);
  fail(0, 4);
  expect(breaker.state).toBe("closed");
});

test("ten failures open it at twenty calls, but not at nineteen", () => {
  const { breaker, reasons, fail, succeed } = start({ failureThreshold: 100 });
  succeed(0, 9);
  fail(0, 10);
  expect(breaker.state).toBe("closed");
  fail(0);
  expect(reasons()).toEqual(["failure_ratio"]);
});

test("expired failures do not count", () => {
  const { breaker, fail } = start({ failureThreshold: 100 });
  fail(0, 19);
  fail(10_000);
  expect(breaker.state).toBe("closed");
});

test("a ratio of 80 % slow calls opens it", () => {
  const { reasons, acquire, at, succeed } = start({ slowCallMs: 100 });
  succeed(0, 4);
  for (let turn = 0; turn < 16; turn += 1) {
    const permit = acquire(0);
    at(100);
    permit.ok();
  }
  expect(reasons()).toEqual(["slow_ratio"]);
});

test("open, it rejects all calls until the same retry time", () => {
  const { acquire, reject } = opened();
  const retryAtMs = reject(1);
  expect(retryAtMs).toBeCloseTo(1_000, 1);
  expect(reject(900)).toBe(retryAtMs);
  acquire(1_000);
});

test("half-open, it admits one probe at a time and rejects others until the end of its lease", () => {
  const { breaker, acquire, reject, at } = opened({ halfOpenTimeoutMs: 300 });
  const probe = acquire(1_000);
  expect(breaker.state).toBe("half_open");
  expect(reject(1_100)).toBe(1_300);
  at(1_150);
  probe.ok();
  acquire(1_150);
});

test("three successful probes close it", () => {
  const { breaker, reasons, succeed } = opened();
  succeed(1_000, 2);
  expect(breaker.state).toBe("half_open");
  succeed(1_000);
  expect(breaker.state).toBe("closed");
  expect(reasons()).toEqual(["consecutive_failures", "timeout", "recovered"]);
});

test("a failed probe opens it for twice as long, up to the maximum", () => {
  const { fail, reject } = opened({ maxTimeoutMs: 5_000 });
  let nowMs = 1_000;
  for (const longestMs of [2_000, 4_000, 5_000, 5_000]) {
    fail(nowMs);
    const retryAtMs = reject(nowMs);
    expect(retryAtMs - nowMs).toBeCloseTo(longestMs, 1);
    nowMs = Math.ceil(retryAtMs);
  }
});

test("the open time has full jitter", () => {
  expect(opened({}, () => 0.25).reject(0)).toBe(250);
});

test("a probe fails when its lease expires, and its late outcome is ignored", () => {
  const { breaker, reasons, acquire, reject } = opened({ halfOpenTimeoutMs: 300 });
  const probe = acquire(1_000);
  reject(1_300);
  expect(reasons()).toEqual(["consecutive_failures", "timeout", "probe_lost"]);
  probe.ok();
  expect(breaker.state).toBe("open");
});

test("a longer call extends only the lease of its own probe", () => {
  const { reasons, acquire, reject } = opened({ halfOpenTimeoutMs: 300 });
  const probe = acquire(1_000, 2_000);
  for (const nowMs of [1_001, 2_999]) expect(reject(nowMs)).toBe(3_000);
  probe.ok();
  acquire(2_999);
  expect(reject(3_000)).toBe(3_299);
  reject(3_299);
  expect(reasons()).toEqual(["consecutive_failures", "timeout", "probe_lost"]);
});

test("a shorter call does not shorten the lease of its probe", () => {
  const { acquire, reject } = opened({ halfOpenTimeoutMs: 300 });
  acquire(1_000, 10);
  expect(reject(1_001)).toBe(1_300);
});

test("after an ignored probe another one is admitted", () => {
  const { breaker, acquire } = opened();
  acquire(1_000).ignore();
  acquire(1_001);
  expect(breaker.state).toBe("half_open");
});

test("a slow probe fails", () => {
  const { breaker, acquire, at } = opened({ slowCallMs: 100 });
  const probe = acquire(1_000);
  at(1_100);
  probe.ok();
  expect(breaker.state).toBe("open");
});

test("only the first outcome of a permit counts", () => {
  const { breaker, acquire } = start();
  const permit = acquire(0);
  for (let turn = 0; turn < 10; turn += 1) permit.fail();
  expect(breaker.state).toBe("closed");
});

test.for([
  [7_000, 7_000],
  [3_600_000, 60_000],
] as const)("pushback of %i ms opens it for %i ms", ([hintMs, openMs]) => {
  const { reasons, acquire, reject } = start();
  acquire(0).fail(hintMs);
  expect(reject(0)).toBe(openMs);
  expect(reasons()).toEqual(["pushback"]);
});

test("after closing, it admits a growing ratio of the calls", () => {
  const { breaker, succeed, at } = opened();
  succeed(1_000, 3);
  const shareAt = (nowMs: number): number => {
    at(nowMs);
    let passed = 0;
    for (let turn = 0; turn < 1_000; turn += 1) {
      const answer = breaker.tryAcquire();
      if (!answer.granted) continue;
      passed += 1;
      answer.ok();
    }
    return passed / 1_000;
  };
  expect(shareAt(1_000)).toBeCloseTo(0.1, 2);
  expect(shareAt(6_000)).toBeCloseTo(0.55, 2);
  expect(shareAt(11_000)).toBe(1);
});

test("opened on the ramp, the open time doubles; after the ramp, it starts over", () => {
  const onRamp = opened({ rampFrom: 1 });
  onRamp.succeed(1_000, 3);
  onRamp.fail(2_000, 5);
  expect(onRamp.reject(2_000)).toBeCloseTo(4_000, 1);

  const recovered = opened();
  recovered.succeed(1_000, 3);
  recovered.fail(20_000, 5);
  expect(recovered.reject(20_000)).toBeCloseTo(21_000, 1);
});

test("a clock that is set back does not keep it open", () => {
  const { acquire, fail } = start({ maxTimeoutMs: 2_000 });
  fail(1_000_000, 5);
  acquire(5_000);
});

test("probeNow makes an open breaker admit a probe at once, even during a requested pause", () => {
  const { breaker, reasons, acquire, reject } = start();
  acquire(0).fail(30_000);
  reject(1);
  breaker.probeNow();
  expect(breaker.state).toBe("open");
  acquire(1);
  expect(reasons()).toEqual(["pushback", "timeout"]);
});

test("after a failed early probe the open time doubles", () => {
  const { breaker, fail, reject } = opened();
  breaker.probeNow();
  fail(1);
  expect(reject(1)).toBeCloseTo(2_001, 1);
});
