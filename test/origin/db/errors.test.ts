import { afterEach, beforeEach, describe, expect, test, vi } from "vitest";
import { type Scope, unboundScope } from "../../../src/origin/db/database.ts";
import {
  acquirePermit,
  classifyOpening,
  classifyStatement,
  DeadlineError,
  isServersAnswer,
  isStalePlan,
  SaturatedError,
  StatementError,
  typedError,
  UnavailableError,
} from "../../../src/origin/db/errors.ts";
import { Deadline } from "../../../src/origin/middleware/deadline.ts";
import type { Breaker } from "../../../src/resilience/circuit-breaker/circuit-breaker.ts";

const NOW_MS = 1_000_000;
beforeEach(() => void vi.useFakeTimers({ now: NOW_MS }));
afterEach(() => void vi.useRealTimers());

/** As node-postgres throws an ErrorResponse. */
const answer = (code: string, fields: object = {}): Error =>
  Object.assign(new Error(`answer ${code}`), { severity: "ERROR", code, ...fields });
const fatal = (code: string): Error => answer(code, { severity: "FATAL" });
/** As the operating system reports it. */
const system = (code: string): Error => Object.assign(new Error(`connect ${code}`), { code });
const lost = new Error("Connection terminated unexpectedly");

const writes = unboundScope("write");
const reads: Scope = { ...unboundScope("read"), readOnly: true };
const text = "SELECT 1";

describe("an error of a statement has a type, and a meaning for the breaker", () => {
  test.each([
    // A server that answers is healthy.
    ["a constraint", answer("23505"), writes, StatementError, "success"],
    ["a division by zero", answer("22012"), writes, StatementError, "success"],
    ["a serialization failure", answer("40001"), writes, StatementError, "success"],
    ["a deadlock", answer("40P01"), writes, StatementError, "success"],
    ["a syntax error", answer("42601"), writes, StatementError, "success"],
    ["a lock that is not available", answer("55P03"), writes, StatementError, "success"],
    ["an internal error", answer("XX000"), writes, StatementError, "success"],
    ["read-only for a read, a programming error", answer("25006"), reads, StatementError, "success"],
    ["read-only for a write, a standby", answer("25006"), writes, UnavailableError, "success"],
    ["a cancel by an administrator", answer("57014"), writes, UnavailableError, "success"],
    ["an I/O error", answer("58030"), writes, UnavailableError, "success"],
    ["too few values", answer("08P01"), writes, UnavailableError, "success"],
    // Except if it is overloaded, shutting down or unreachable.
    ["a connection failure", answer("08006"), writes, UnavailableError, "failure"],
    ["a pooler without its server", fatal("08P01"), writes, UnavailableError, "failure"],
    ["a full disk", answer("53100"), writes, UnavailableError, "failure"],
    ["too many connections", fatal("53300"), writes, UnavailableError, "failure"],
    ["a shutdown", fatal("57P01"), writes, UnavailableError, "failure"],
    ["a server that starts", fatal("57P03"), writes, UnavailableError, "failure"],
    ["a reset", system("ECONNRESET"), writes, UnavailableError, "failure"],
    ["a connection that ended", lost, writes, UnavailableError, "failure"],
  ] as const)("%s", (_, error, scope, type, outcome) => {
    const failure = typedError(error, text, scope);
    expect(failure).toBeInstanceOf(type);
    expect(failure.cause).toBe(error);
    expect(classifyStatement(error)).toBe(outcome);
  });

  test("none is a success", () => expect(classifyStatement(undefined)).toBe("success"));
});

describe("an error while connecting has a type, and a meaning for the breaker", () => {
  test.each([
    ["a closed port", system("ECONNREFUSED"), UnavailableError, "failure"],
    ["several closed ports", new AggregateError([system("ECONNREFUSED")]), UnavailableError, "failure"],
    ["a WebSocket's event", { type: "error", message: "closed" }, UnavailableError, "failure"],
    ["too many connections", fatal("53300"), UnavailableError, "failure"],
    ["a server that starts", fatal("57P03"), UnavailableError, "failure"],
    ["a pooler that cannot reach its server", fatal("XX000"), UnavailableError, "failure"],
    // Configuration errors: the server is up.
    ["a wrong password", fatal("28P01"), StatementError, "success"],
    ["no authorization", fatal("28000"), StatementError, "success"],
    ["no such database", fatal("3D000"), StatementError, "success"],
  ] as const)("%s", (_, error, type, outcome) => {
    expect(typedError(error, undefined, writes)).toBeInstanceOf(type);
    expect(classifyOpening(error)).toBe(outcome);
  });

  test("a limit of this process says nothing", () => {
    expect(classifyOpening(new SaturatedError("all are in use"))).toBe("ignored");
  });
});

describe("a driver's error", () => {
  test("is a DeadlineError if the request has ended", () => {
    for (const reason of ["deadline", "abandoned"] as const) {
      const scope = new Deadline("any", NOW_MS, false);
      scope.end(reason);
      for (const error of [answer("57014"), answer("23505"), system("ECONNRESET")]) {
        const failure = typedError(error, text, scope);
        expect(failure).toBeInstanceOf(DeadlineError);
        expect(failure.message).toContain(reason);
      }
    }
  });

  test.each([
    [0, DeadlineError],
    [19, DeadlineError],
    [21, UnavailableError],
  ])("is a DeadlineError for 57014 near the deadline: %d ms away", (leftMs, type) => {
    const scope = new Deadline("any", NOW_MS + leftMs, false);
    expect(typedError(answer("57014"), text, scope)).toBeInstanceOf(type);
  });

  test("stays as it is if it is typed already", () => {
    const typed = typedError(answer("23505"), text, writes);
    for (const error of [new UnavailableError("away"), new DeadlineError("over"), typed])
      expect(typedError(error, text, writes)).toBe(error);
  });

  test("of a statement has its text and the violated constraint", () => {
    expect(typedError(answer("23505", { constraint: "notes_name" }), text, writes)).toMatchObject({
      name: "StatementError",
      code: "23505",
      constraint: "notes_name",
      statement: text,
      message: "answer 23505",
    });
  });

  test("of several addresses has the message of each", () => {
    const error = new AggregateError([system("ECONNREFUSED"), system("ETIMEDOUT")]);
    expect(typedError(error, undefined, writes).message).toBe("connect ECONNREFUSED; connect ETIMEDOUT");
  });

  test("shows whether the connection remains usable", () => {
    for (const error of [answer("23505"), answer("57014")]) expect(isServersAnswer(error)).toBe(true);
    for (const error of [answer("57P01"), answer("08006"), fatal("XX000"), system("ECONNRESET"), "text"])
      expect(isServersAnswer(error)).toBe(false);
  });

  test.each([
    [answer("26000"), true],
    [answer("42P05"), true],
    [Object.assign(answer("0A000"), { message: "cached plan must not change result type" }), true],
    [answer("0A000"), false],
    [answer("42P01"), false],
    [system("ECONNRESET"), false],
  ])("shows whether a plan is stale, before and after typing: %s", (error, isStale) => {
    expect(isStalePlan(error)).toBe(isStale);
    expect(isStalePlan(typedError(error, text, writes))).toBe(isStale);
  });
});

test.each([
  [-5_000, 1],
  [1, 1],
  [1_000, 1],
  [1_001, 2],
])("a rejection for %d ms by an open breaker has a retry time, in whole seconds: %d", (afterMs, retryAfterS) => {
  const retryAtMs = NOW_MS + afterMs;
  const breaker: Breaker = {
    state: "open",
    tryAcquire: () => ({ granted: false, retryAtMs }),
    run: () => Promise.reject(new Error("not called")),
    probeNow: () => undefined,
    probeInMs: 0,
    rejections: 0,
  };
  const rejection = expect.objectContaining({ name: "CircuitOpenError", retryAtMs, retryAfterS });
  expect(() => acquirePermit(breaker)).toThrow(rejection);
});
