import { afterEach, beforeEach, describe, expect, test, vi } from "vitest";
import { CircuitOpenError, SaturatedError } from "../../src/origin/data/failure.ts";
import { asking, judgeOpening, judgeStatement } from "../../src/origin/data/judge.ts";
import type { Permit, Rejection } from "../../src/resilience/circuit-breaker/circuit-breaker.ts";

const NOW_MS = 1_000_000;
beforeEach(() => void vi.useFakeTimers({ now: NOW_MS }));
afterEach(() => void vi.useRealTimers());

/** What node-postgres throws for an ErrorResponse of the server. */
const said = (code: string, severity = "ERROR"): Error =>
  Object.assign(new Error(`said ${code}`), { severity, code });
/** What the operating system says. */
const system = (code: string): Error => Object.assign(new Error(`connect ${code}`), { code });

describe("a statement's end", () => {
  test.each([
    // A server that answers is well, whatever it answers.
    [undefined, "success"],
    [said("57014"), "success"],
    [said("22012"), "success"],
    [said("23505"), "success"],
    [said("25006"), "success"],
    [said("40001"), "success"],
    [said("40P01"), "success"],
    [said("42601"), "success"],
    [said("55P03"), "success"],
    [said("58030"), "success"],
    [said("XX000"), "success"],
    // A statement with too few values, of a server that goes on.
    [said("08P01"), "success"],
    // But for one that cannot take more, or is going.
    [said("08006"), "failure"],
    [said("08P01", "FATAL"), "failure"],
    [said("53100"), "failure"],
    [said("53300", "FATAL"), "failure"],
    [said("57P01", "FATAL"), "failure"],
    [said("57P03", "FATAL"), "failure"],
    [system("ECONNRESET"), "failure"],
    [new Error("Connection terminated unexpectedly"), "failure"],
  ] as const)("is judged by what the server does: %s", (error, judgement) => {
    expect(judgeStatement(error)).toBe(judgement);
  });
});

describe("a connection that is not to be had", () => {
  test.each([
    [system("ECONNREFUSED"), "failure"],
    [new Error("Connection terminated due to connection timeout"), "failure"],
    [said("53300", "FATAL"), "failure"],
    [said("57P03", "FATAL"), "failure"],
    // A pooler's word for a server that it does not find.
    [said("XX000", "FATAL"), "failure"],
    [said("28P01", "FATAL"), "success"],
    [said("3D000", "FATAL"), "success"],
    [new SaturatedError("all are lent out"), "ignored"],
  ] as const)("is judged by what keeps it: %s", (error, judgement) => {
    expect(judgeOpening(error)).toBe(judgement);
  });
});

describe("asking for leave", () => {
  const answering = (answer: () => Permit | Rejection) =>
    asking({
      state: "open",
      tryAcquire: answer,
      run: () => Promise.reject(new Error("not asked")),
      probeNow: () => undefined,
      rejections: 0,
    });

  const refusalOf = (ask: () => Permit): CircuitOpenError => {
    try {
      ask();
    } catch (error) {
      if (error instanceof CircuitOpenError) return error;
    }
    throw new Error("not refused");
  };

  test("a rejection says when to try again, in whole seconds of at least one", () => {
    for (const [afterMs, retryAfterS] of [
      [-5_000, 1],
      [1, 1],
      [1_000, 1],
      [1_001, 2],
    ] as const) {
      const ask = answering(() => ({ granted: false, retryAtMs: NOW_MS + afterMs }));
      expect(refusalOf(ask)).toMatchObject({ retryAtMs: NOW_MS + afterMs, retryAfterS });
    }
  });

  test("the same rejection is the same error, whose seconds go on", () => {
    const rejection = { granted: false, retryAtMs: NOW_MS + 2_000 } as const;
    const ask = answering(() => rejection);
    const first = refusalOf(ask);
    expect(first.retryAfterS).toBe(2);
    vi.advanceTimersByTime(1_500);
    expect(refusalOf(ask)).toBe(first);
    expect(first.retryAfterS).toBe(1);
  });

  test("without a breaker there is always leave", () => {
    const permit = asking(undefined)();
    for (const settle of [permit.ok, permit.fail, permit.ignore]) expect(settle()).toBeUndefined();
  });
});
