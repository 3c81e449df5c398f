import { expect, test } from "vitest";
import { recoverySeconds } from "./recovery.ts";

/** A second of 100 requests. */
interface Second {
  readonly p99Ms: number;
  readonly status?: number;
}

const traceOf = (seconds: readonly Second[]) => {
  const requests = seconds.flatMap(({ p99Ms, status = 200 }, second) =>
    Array.from({ length: 100 }, (_, n) => ({
      dueAtMs: 1_000_000 + second * 1_000 + n * 10,
      latencyMs: n < 90 ? 1 : p99Ms,
      status: n === 50 ? status : 200,
    })),
  );
  return {
    beganAtMs: 1_000_000,
    untilMs: 1_000_000 + seconds.length * 1_000,
    dueAtMs: Float64Array.from(requests, ({ dueAtMs }) => dueAtMs),
    latencyMs: Float64Array.from(requests, ({ latencyMs }) => latencyMs),
    status: Uint16Array.from(requests, ({ status }) => status),
  };
};

const normal = { p99Ms: 30 };
const slow = { p99Ms: 90 };

const cases: Readonly<Record<string, readonly [seconds: readonly Second[], recoveryS: number]>> = {
  "normal from the start": [[normal, normal, normal], 0],
  "slow for two seconds": [[slow, slow, normal, normal], 2],
  "slow again after a normal second": [[slow, normal, slow, normal], 3],
  "a rejection in a fast second": [[normal, { p99Ms: 30, status: 503 }, normal], 2],
  "a created resource": [[normal, { p99Ms: 30, status: 201 }, normal], 0],
  "slow to the end": [[normal, normal, slow], 3],
};

test.each(Object.entries(cases))("recovery: %s", (_name, [seconds, recoveryS]) => {
  expect(recoverySeconds(traceOf(seconds), 60)).toBe(recoveryS);
});
