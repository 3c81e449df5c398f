import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { writeCidr } from "../../src/middleware/blocklist/network.ts";
import { UNKNOWN_CLIENT } from "../../src/middleware/context/client.ts";
import { SCREENING_RULES } from "../../src/middleware/screening/rules.ts";
import {
  BLOCK_AT_SCORE,
  FIRST_BLOCK_MS,
  judgeOffenses,
  MAX_BLOCK_MS,
  MAX_EVENT_POINTS,
  MEMORY_MS,
  type Offender,
  offenderOf,
  pointsOf,
} from "../../src/security-events/abuse-score.ts";
import {
  AUTH_FAILURE_REASONS,
  type AuthFailureReason,
  type SecurityEvent,
} from "../../src/security-events/event.ts";
import { refused } from "./support.ts";

const COMMON = {
  id: "8f14e45f-ceea-467f-a8e3-1d1f5d6c2b11",
  atMs: 0,
  lastAtMs: 0,
  count: 1,
  client: "192.0.2.1",
  route: null,
  requestId: "request",
  traceId: null,
};

const authFailure = (reason: AuthFailureReason): SecurityEvent => ({
  ...COMMON,
  type: "auth_failure",
  user: "anonymous",
  reason,
});

const suspicious = (rule: string): SecurityEvent => ({
  ...COMMON,
  type: "suspicious_activity",
  rule,
  details: rule,
});

const limited: SecurityEvent = { ...refused(), id: COMMON.id, lastAtMs: 0, count: 1 };

const access: SecurityEvent = {
  ...COMMON,
  type: "data_access",
  user: "demo",
  resource: "/v1/orders/1",
  action: "read",
};

describe("an event scores", () => {
  const POINTS: Readonly<Record<string, number>> = {
    unknown_key: 10,
    wrong_secret: 10,
    bad_signature: 10,
    insufficient_scope: 2,
    missing: 1,
    expired: 1,
    wrong_audience: 1,
    wrong_issuer: 1,
  };

  test.each(AUTH_FAILURE_REASONS)("for an authentication failure with the reason %s", (reason) => {
    expect(pointsOf(authFailure(reason))).toBe(POINTS[reason] ?? 5);
  });

  const ATTACKS = ["path_traversal", "control_characters", "scanner_path"];

  test.each(Object.keys(SCREENING_RULES))("for the screening rule %s", (rule) => {
    expect(pointsOf(suspicious(rule))).toBe(ATTACKS.includes(rule) ? 20 : 10);
  });

  test.each(["blocked_client", "geo_block", "constructor", ""])("nothing for the unknown rule %j", (rule) => {
    expect(pointsOf({ ...suspicious(rule), count: 1_000_000 })).toBe(0);
  });

  test("a twentieth of a point for a rate limit, and nothing for granted access", () => {
    expect(pointsOf(limited)).toBe(0.05);
    expect(pointsOf({ ...access, count: 1_000_000 })).toBe(0);
  });

  test("per occurrence", () => {
    expect(pointsOf({ ...limited, count: 40 })).toBe(2);
    expect(pointsOf({ ...authFailure("wrong_secret"), count: 7 })).toBe(70);
  });

  test("at most the maximum per event", () => {
    expect(pointsOf({ ...authFailure("wrong_secret"), count: 100 })).toBe(MAX_EVENT_POINTS);
    expect(pointsOf({ ...suspicious("scanner_path"), count: 1_000_000_000 })).toBe(MAX_EVENT_POINTS);
  });

  test("nothing for an unknown client", () => {
    expect(pointsOf({ ...suspicious("scanner_path"), client: UNKNOWN_CLIENT })).toBe(0);
  });
});

describe("the blocked network", () => {
  test.each([
    ["192.0.2.1", "192.0.2.1"],
    ["::ffff:192.0.2.1", "192.0.2.1"],
    ["126.255.255.255", "126.255.255.255"],
    ["128.0.0.0", "128.0.0.0"],
    ["2001:db8:1:2:3:4:5:6", "2001:db8:1:2::/64"],
    ["0:0:0:1::1", "0:0:0:1::/64"],
  ])("of client %s is %s", (client, offender) => {
    const network = offenderOf(client);
    expect(network && writeCidr(network)).toBe(offender);
  });

  test.each([UNKNOWN_CLIENT, "", "localhost", "192.0.2.0/24"])("of client %j does not exist", (client) => {
    expect(offenderOf(client)).toBeUndefined();
  });

  const EXEMPT = "2a06:98c0:3600::103 127.0.0.0 127.0.0.1 127.255.255.255 ::ffff:127.0.0.1 ::1 ::2".split(
    " ",
  );
  test.each(EXEMPT)("of exempt client %s does not exist", (client) => {
    expect(offenderOf(client)).toBeUndefined();
  });
});

const NOW_MS = 1_700_000_000_000;

/** One offense that is enough for a block. */
const offend = (previous: Offender | undefined, nowMs: number) =>
  judgeOffenses(previous, BLOCK_AT_SCORE, nowMs);

/** Consecutive blocks, each begun when the previous one ends. */
const blockTimes = (times: number): { lengths: number[]; offender: Offender | undefined; endMs: number } => {
  const lengths: number[] = [];
  let offender: Offender | undefined;
  let endMs = NOW_MS;
  for (let time = 0; time < times; time += 1) {
    const judgement = offend(offender, endMs);
    offender = judgement.offender;
    lengths.push(judgement.blockForMs ?? Number.NaN);
    endMs += judgement.blockForMs ?? Number.NaN;
  }
  return { lengths, offender, endMs };
};

describe("a score", () => {
  test("starts with the first points", () => {
    expect(judgeOffenses(undefined, 10, NOW_MS)).toEqual({
      offender: { score: 10, scoredAtMs: NOW_MS, blocks: 0, lastBlockedAtMs: null },
      blockForMs: undefined,
    });
  });

  test("leaks one point per second, down to zero", () => {
    const { offender } = judgeOffenses(undefined, 10, NOW_MS);
    expect(judgeOffenses(offender, 0, NOW_MS + 2_500).offender.score).toBe(7.5);
    expect(judgeOffenses(offender, 5, NOW_MS + 10_000).offender.score).toBe(5);
    expect(judgeOffenses(offender, 5, NOW_MS + 1_000_000_000).offender.score).toBe(5);
  });

  test.each([
    [1, undefined],
    [2, 98],
  ])("of %i points per second blocks after seconds: %s", (points, after) => {
    let offender: Offender | undefined;
    let second = 0;
    for (let isBlocked = false; !isBlocked && second < 10_000; second += 1) {
      const judgement = judgeOffenses(offender, points, NOW_MS + 1_000 * second);
      isBlocked = judgement.blockForMs !== undefined;
      offender = judgement.offender;
    }
    expect(second < 10_000 ? second - 1 : undefined).toBe(after);
  });

  test("a fraction below the threshold does not block", () => {
    const { offender } = judgeOffenses(undefined, BLOCK_AT_SCORE - 1, NOW_MS);
    expect(judgeOffenses(offender, 1, NOW_MS + 1).blockForMs).toBeUndefined();
    expect(judgeOffenses(offender, 1, NOW_MS).blockForMs).toBe(FIRST_BLOCK_MS);
  });
});

describe("a block", () => {
  test("is four times as long each time, up to a day", () => {
    const minutes = blockTimes(9).lengths.map((ms) => ms / 60_000);
    expect(minutes).toEqual([1, 4, 16, 64, 256, 1_024, 1_440, 1_440, 1_440]);
  });

  test("is not followed by another one while it lasts, even if events of the same attack arrive late", () => {
    const { offender } = offend(undefined, NOW_MS);
    for (const ms of [0, 1, FIRST_BLOCK_MS - 1]) {
      expect(judgeOffenses(offender, MAX_EVENT_POINTS, NOW_MS + ms)).toEqual({
        offender,
        blockForMs: undefined,
      });
    }
    expect(offend(offender, NOW_MS + FIRST_BLOCK_MS).blockForMs).toBe(4 * FIRST_BLOCK_MS);
  });

  test.each([1, 3, 9])("is remembered for exactly one day after its end: number %i", (times) => {
    const { offender, lengths, endMs } = blockTimes(times);
    const next = Math.min(MAX_BLOCK_MS, 4 * (lengths.at(-1) ?? 0));
    expect(offend(offender, endMs + MEMORY_MS).blockForMs).toBe(next);
    expect(offend(offender, endMs + MEMORY_MS + 1)).toMatchObject({
      offender: { blocks: 1 },
      blockForMs: FIRST_BLOCK_MS,
    });
  });
});

describe("a clock that is set back", () => {
  test("removes no points, and the score leaks from then on", () => {
    const { offender } = judgeOffenses(undefined, 50, NOW_MS);
    const back = judgeOffenses(offender, 10, NOW_MS - 3_600_000).offender;
    expect(back).toMatchObject({ score: 60, scoredAtMs: NOW_MS - 3_600_000 });
    expect(judgeOffenses(back, 0, NOW_MS - 3_590_000).offender.score).toBe(50);
  });

  test("neither ends a block nor starts another one", () => {
    const { offender } = offend(undefined, NOW_MS);
    expect(offend(offender, NOW_MS - 3_600_000)).toEqual({ offender, blockForMs: undefined });
  });
});

test("all numbers stay within their bounds", () => {
  const step = fc.record({
    points: fc.integer({ min: -10, max: 2 * MAX_EVENT_POINTS }),
    afterMs: fc.oneof(
      fc.integer({ min: -60_000, max: 200_000 }),
      fc.integer({ min: -2 * MAX_BLOCK_MS, max: 4 * MAX_BLOCK_MS }),
    ),
  });
  fc.assert(
    fc.property(fc.array(step, { maxLength: 200 }), (steps) => {
      let nowMs = NOW_MS;
      let previous: Offender | undefined;
      for (const { points, afterMs } of steps) {
        nowMs += afterMs;
        const { offender, blockForMs } = judgeOffenses(previous, points, nowMs);
        expect(offender.score).toBeGreaterThanOrEqual(0);
        expect(offender.score).toBeLessThan(BLOCK_AT_SCORE);
        expect(offender.blocks === 0).toBe(offender.lastBlockedAtMs === null);
        expect(offender.blocks).toBeLessThanOrEqual((previous?.blocks ?? 0) + 1);
        if (blockForMs !== undefined) {
          expect(blockForMs).toBeGreaterThanOrEqual(FIRST_BLOCK_MS);
          expect(blockForMs).toBeLessThanOrEqual(MAX_BLOCK_MS);
          expect(offender).toMatchObject({ score: 0, scoredAtMs: nowMs, lastBlockedAtMs: nowMs });
        }
        previous = offender;
      }
    }),
  );
});

test("the number of blocks is bounded", () => {
  const many: Offender = { score: 0, scoredAtMs: 0, blocks: 1_000, lastBlockedAtMs: 0 };
  expect(offend(many, MAX_BLOCK_MS)).toMatchObject({
    offender: { blocks: 1_000 },
    blockForMs: MAX_BLOCK_MS,
  });
});
