import { expect, test } from "vitest";
import type { Trace } from "../../bench/support/load-turn.ts";
import { judgeSurge } from "./surge-verdict.ts";

const BEGAN_MS = 1_000_000;

interface Second {
  readonly latencyMs: number;
  readonly status?: number;
  readonly lagMs?: number;
}

/** A second has a hundred requests that are all alike. */
const traceOf = (seconds: readonly Second[], beganAtMs = BEGAN_MS): Trace => {
  const requests = seconds.flatMap(({ latencyMs, status = 200, lagMs = 1 }, second) =>
    Array.from({ length: 100 }, (_, n) => ({
      ...{ dueAtMs: beganAtMs + second * 1_000 + n * 10, latencyMs, status, lagMs },
    })),
  );
  return {
    beganAtMs,
    untilMs: beganAtMs + seconds.length * 1_000,
    dueAtMs: Float64Array.from(requests, ({ dueAtMs }) => dueAtMs),
    latencyMs: Float64Array.from(requests, ({ latencyMs }) => latencyMs),
    status: Uint16Array.from(requests, ({ status }) => status),
    lagMs: Float64Array.from(requests, ({ lagMs }) => lagMs),
    reasons: new Map(),
  };
};

const repeated = (count: number, second: Second): Second[] => Array.from({ length: count }, () => second);
const normal = { latencyMs: 20 };
const shed = { latencyMs: 900, status: 503 };

/** Five seconds before, five of the surge, and those after it. */
const judge = (after: readonly Second[], surge: Second = shed, before: Second = normal) => {
  const base = traceOf([...repeated(5, before), ...repeated(5, shed), ...after]);
  const beganAtMs = BEGAN_MS + 5_000;
  return judgeSurge("a surge", base, traceOf(repeated(5, surge), beganAtMs), beganAtMs + 5_000);
};

test("a system that is as before from the first second on keeps the promise", () => {
  const { broken, recoveryS, servedPerSecond, offeredPerSecond, failedShare } = judge(repeated(8, normal));
  expect({ broken, recoveryS, servedPerSecond, offeredPerSecond, failedShare }).toEqual({
    ...{ broken: [], recoveryS: 0, servedPerSecond: 0, offeredPerSecond: 200, failedShare: 1 },
  });
});

test("a failure five seconds later is in time, one after six is not", () => {
  expect(judge([...repeated(4, normal), shed, ...repeated(3, normal)]).broken).toEqual([]);
  expect(judge([...repeated(5, normal), shed, ...repeated(3, normal)]).broken).toEqual([
    "a surge: back only after 6 s",
  ]);
});

test("slow is more than three times the p99 before, and more than 500 ms", () => {
  expect(judge(repeated(8, { latencyMs: 499 })).recoveryS).toBe(0);
  expect(judge(repeated(8, { latencyMs: 501 })).recoveryS).toBe(8);
  expect(judge(repeated(8, { latencyMs: 599 }), shed, { latencyMs: 200 }).recoveryS).toBe(0);
  expect(judge(repeated(8, { latencyMs: 601 }), shed, { latencyMs: 200 }).recoveryS).toBe(8);
});

test("requests without a response are failures", () => {
  const { failedShare, failures } = judge(repeated(8, normal), { latencyMs: 15_000, status: 0 });
  expect({ failedShare, failures }).toEqual({ failedShare: 1, failures: "500 × no response, 500 × 503" });
});

test("a system that carries the surge was not tested", () => {
  const base = traceOf(repeated(15, normal));
  const began = BEGAN_MS + 5_000;
  const { broken } = judgeSurge("a surge", base, traceOf(repeated(5, normal), began), began + 5_000);
  expect(broken).toEqual(["a surge: the system carries the surge; raise --rate"]);
});

test("requests that were sent late are noted", () => {
  expect(judge(repeated(8, normal)).notes).toEqual([]);
  expect(judge(repeated(8, normal), { ...shed, lagMs: 80 }).notes).toEqual([
    "a surge: the generator sent requests late (p99 80 ms); latencies count from when they were due",
  ]);
});

test("failures before the surge are no base to return to", () => {
  expect(judge(repeated(8, normal), shed, shed).broken).toContain(
    "a surge: 400 requests failed before the surge",
  );
});
