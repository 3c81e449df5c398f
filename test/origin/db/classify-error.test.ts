import { afterEach, beforeEach, describe, expect, test, vi } from "vitest";
import {
  CircuitOpenError,
  classifyOpening,
  classifyStatement,
  permitsOf,
  SaturatedError,
} from "../../../src/origin/db/errors.ts";
import type { Permit, Rejection } from "../../../src/resilience/circuit-breaker/circuit-breaker.ts";

const NOW_MS = 1_000_000;
beforeEach(() => void vi.useFakeTimers({ now: NOW_MS }));
afterEach(() => void vi.useRealTimers());

/** As node-postgres throws an ErrorResponse. */
const answer = (code: string, severity = "ERROR"): Error =>
  Object.assign(new Error(`answer ${code}`), { severity, code });
/** As the operating system reports it. */
const system = (code: string): Error => Object.assign(new Error(`connect ${code}`), { code });

describe("a statement", () => {
  test.each([
    // A server that answers is healthy.
    [undefined, "success"],
    [answer("57014"), "success"],
    [answer("22012"), "success"],
    [answer("23505"), "success"],
    [answer("25006"), "success"],
    [answer("40001"), "success"],
    [answer("40P01"), "success"],
    [answer("42601"), "success"],
    [answer("55P03"), "success"],
    [answer("58030"), "success"],
    [answer("XX000"), "success"],
    // A statement with too few values; the server continues.
    [answer("08P01"), "success"],
    // Except if it is overloaded or shutting down.
    [answer("08006"), "failure"],
    [answer("08P01", "FATAL"), "failure"],
    [answer("53100"), "failure"],
    [answer("53300", "FATAL"), "failure"],
    [answer("57P01", "FATAL"), "failure"],
    [answer("57P03", "FATAL"), "failure"],
    [system("ECONNRESET"), "failure"],
    [new Error("Connection terminated unexpectedly"), "failure"],
  ] as const)("is classified by its error: %s", (error, outcome) => {
    expect(classifyStatement(error)).toBe(outcome);
  });
});

describe("opening a connection", () => {
  test.each([
    [system("ECONNREFUSED"), "failure"],
    [new Error("Connection terminated due to connection timeout"), "failure"],
    [answer("53300", "FATAL"), "failure"],
    [answer("57P03", "FATAL"), "failure"],
    // A pooler that cannot reach its server.
    [answer("XX000", "FATAL"), "failure"],
    [answer("28P01", "FATAL"), "success"],
    [answer("3D000", "FATAL"), "success"],
    [new SaturatedError("all are in use"), "ignored"],
  ] as const)("is classified by its error: %s", (error, outcome) => {
    expect(classifyOpening(error)).toBe(outcome);
  });
});

describe("a permit", () => {
  const answering = (answer: () => Permit | Rejection) =>
    permitsOf({
      state: "open",
      tryAcquire: answer,
      run: () => Promise.reject(new Error("not called")),
      probeNow: () => undefined,
      rejections: 0,
    });

  const rejectionOf = (acquire: () => Permit): CircuitOpenError => {
    try {
      acquire();
    } catch (error) {
      if (error instanceof CircuitOpenError) return error;
    }
    throw new Error("not rejected");
  };

  test("that is rejected has a retry time, in whole seconds of at least one", () => {
    for (const [afterMs, retryAfterS] of [
      [-5_000, 1],
      [1, 1],
      [1_000, 1],
      [1_001, 2],
    ] as const) {
      const acquire = answering(() => ({ granted: false, retryAtMs: NOW_MS + afterMs }));
      expect(rejectionOf(acquire)).toMatchObject({ retryAtMs: NOW_MS + afterMs, retryAfterS });
    }
  });

  test("that is rejected twice for the same reason throws the same error, whose seconds count down", () => {
    const rejection = { granted: false, retryAtMs: NOW_MS + 2_000 } as const;
    const acquire = answering(() => rejection);
    const first = rejectionOf(acquire);
    expect(first.retryAfterS).toBe(2);
    vi.advanceTimersByTime(1_500);
    expect(rejectionOf(acquire)).toBe(first);
    expect(first.retryAfterS).toBe(1);
  });

  test("is always granted without a breaker", () => {
    const permit = permitsOf(undefined)();
    for (const settle of [permit.ok, permit.fail, permit.ignore]) expect(settle()).toBeUndefined();
  });
});
