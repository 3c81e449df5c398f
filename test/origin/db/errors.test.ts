import { afterEach, beforeEach, describe, expect, test, vi } from "vitest";
import { type Scope, unboundScope } from "../../../src/origin/db/database.ts";
import {
  DeadlineError,
  isServersAnswer,
  isStalePlan,
  StatementError,
  sqlState,
  typedError,
  UnavailableError,
} from "../../../src/origin/db/errors.ts";
import { Deadline } from "../../../src/origin/middleware/deadline.ts";

const NOW_MS = 1_000_000;
beforeEach(() => void vi.useFakeTimers({ now: NOW_MS }));
afterEach(() => void vi.useRealTimers());

/** As node-postgres throws an ErrorResponse. */
const answer = (code: string, fields: object = {}): Error =>
  Object.assign(new Error(`answer ${code}`), { severity: "ERROR", code, ...fields });
/** As the operating system reports it. */
const system = (code: string): Error => Object.assign(new Error(`connect ${code}`), { code });

const writes = unboundScope("write");
const reads: Scope = { ...unboundScope("read"), readOnly: true };
const text = "SELECT 1";
const connecting = undefined;

describe("a driver's error", () => {
  test.each([
    // Connection failures.
    ["ECONNREFUSED", system("ECONNREFUSED"), text, writes, UnavailableError],
    ["ECONNRESET", system("ECONNRESET"), text, writes, UnavailableError],
    [
      "a connection that ended",
      new Error("Connection terminated unexpectedly"),
      text,
      writes,
      UnavailableError,
    ],
    [
      "several addresses, none of which answers",
      new AggregateError([system("ECONNREFUSED")]),
      connecting,
      writes,
      UnavailableError,
    ],
    ["a WebSocket's event", { type: "error", message: "closed" }, connecting, writes, UnavailableError],
    // A server that is down or overloaded.
    ["08006 connection_failure", answer("08006"), text, writes, UnavailableError],
    ["53300 too_many_connections", answer("53300"), connecting, writes, UnavailableError],
    ["53100 disk_full", answer("53100"), text, writes, UnavailableError],
    ["57P01 admin_shutdown", answer("57P01"), text, writes, UnavailableError],
    ["57P03 cannot_connect_now", answer("57P03"), connecting, writes, UnavailableError],
    ["57014 query_canceled by an administrator", answer("57014"), text, writes, UnavailableError],
    ["58030 io_error", answer("58030"), text, writes, UnavailableError],
    [
      "XX000 internal_error while connecting (a pooler)",
      answer("XX000"),
      connecting,
      writes,
      UnavailableError,
    ],
    [
      "25006 read_only_sql_transaction for a write: a standby",
      answer("25006"),
      text,
      writes,
      UnavailableError,
    ],
    // Failures of the statement.
    [
      "25006 read_only_sql_transaction for a read: a programming error",
      answer("25006"),
      text,
      reads,
      StatementError,
    ],
    ["23505 unique_violation", answer("23505"), text, writes, StatementError],
    ["40001 serialization_failure", answer("40001"), text, writes, StatementError],
    ["42601 syntax_error", answer("42601"), text, writes, StatementError],
    ["55P03 lock_not_available", answer("55P03"), text, writes, StatementError],
    ["XX000 internal_error of a statement", answer("XX000"), text, writes, StatementError],
    // Configuration errors.
    ["28P01 invalid_password", answer("28P01"), connecting, writes, StatementError],
    ["28000 invalid_authorization_specification", answer("28000"), connecting, writes, StatementError],
    ["3D000 invalid_catalog_name", answer("3D000"), connecting, writes, StatementError],
  ] as const)("has a type: %s", (_, error, statement, scope, type) => {
    const failure = typedError(error, statement, scope);
    expect(failure).toBeInstanceOf(type);
    expect(failure.cause).toBe(error);
  });

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
    for (const error of [
      new UnavailableError("away"),
      new DeadlineError("over"),
      typedError(answer("23505"), text, writes),
    ]) {
      expect(typedError(error, text, writes)).toBe(error);
    }
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
    expect(typedError(error, connecting, writes).message).toBe("connect ECONNREFUSED; connect ETIMEDOUT");
  });
});

describe("a driver's error shows", () => {
  test("the SQLSTATE, and whether the connection remains usable", () => {
    expect(sqlState(answer("23505"))).toBe("23505");
    expect(sqlState(system("ECONNRESET"))).toBeUndefined();
    expect(isServersAnswer(answer("23505"))).toBe(true);
    expect(isServersAnswer(answer("57014"))).toBe(true);
    for (const error of [answer("57P01"), answer("08006"), system("ECONNRESET"), undefined, "text"]) {
      expect(isServersAnswer(error)).toBe(false);
    }
  });

  test("whether a plan is stale, before and after typing", () => {
    const stale = [
      answer("26000"),
      answer("42P05"),
      Object.assign(answer("0A000"), { message: "cached plan must not change result type" }),
    ];
    for (const error of stale) {
      expect(isStalePlan(error)).toBe(true);
      expect(isStalePlan(typedError(error, text, writes))).toBe(true);
    }
    for (const error of [answer("0A000"), answer("42P01"), system("ECONNRESET")]) {
      expect(isStalePlan(error)).toBe(false);
      expect(isStalePlan(typedError(error, text, writes))).toBe(false);
    }
  });
});
