import { afterEach, beforeEach, describe, expect, test, vi } from "vitest";
import { type Scope, unboundScope } from "../../src/origin/data/database.ts";
import {
  DeadlineError,
  failureOf,
  isReadOnlyServer,
  isServersAnswer,
  isStalePlan,
  isStaleState,
  StatementError,
  sqlState,
  UnavailableError,
} from "../../src/origin/data/failure.ts";
import { Deadline } from "../../src/origin/middleware/deadline.ts";

const NOW_MS = 1_000_000;
beforeEach(() => void vi.useFakeTimers({ now: NOW_MS }));
afterEach(() => void vi.useRealTimers());

/** What node-postgres throws for an ErrorResponse of the server. */
const said = (code: string, fields: object = {}): Error =>
  Object.assign(new Error(`said ${code}`), { severity: "ERROR", code, ...fields });
/** What the operating system says. */
const system = (code: string): Error => Object.assign(new Error(`connect ${code}`), { code });

const writes = unboundScope("write");
const reads: Scope = { ...unboundScope("read"), readOnly: true };
const text = "SELECT 1";
const connecting = undefined;

describe("an error of the driver", () => {
  test.each([
    // Of the way to the server.
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
      "several addresses, none of which answered",
      new AggregateError([system("ECONNREFUSED")]),
      connecting,
      writes,
      UnavailableError,
    ],
    ["a WebSocket's event", { type: "error", message: "closed" }, connecting, writes, UnavailableError],
    // Of a server that is away, or cannot take more.
    ["08006 connection_failure", said("08006"), text, writes, UnavailableError],
    ["53300 too_many_connections", said("53300"), connecting, writes, UnavailableError],
    ["53100 disk_full", said("53100"), text, writes, UnavailableError],
    ["57P01 admin_shutdown", said("57P01"), text, writes, UnavailableError],
    ["57P03 cannot_connect_now", said("57P03"), connecting, writes, UnavailableError],
    ["57014 query_canceled by an administrator", said("57014"), text, writes, UnavailableError],
    ["58030 io_error", said("58030"), text, writes, UnavailableError],
    ["XX000 internal_error while connecting (a pooler)", said("XX000"), connecting, writes, UnavailableError],
    ["25006 read_only_sql_transaction for a write: a standby", said("25006"), text, writes, UnavailableError],
    // Of the statement.
    ["25006 read_only_sql_transaction for a read: our own fault", said("25006"), text, reads, StatementError],
    ["23505 unique_violation", said("23505"), text, writes, StatementError],
    ["40001 serialization_failure", said("40001"), text, writes, StatementError],
    ["42601 syntax_error", said("42601"), text, writes, StatementError],
    ["55P03 lock_not_available", said("55P03"), text, writes, StatementError],
    ["XX000 internal_error of a statement", said("XX000"), text, writes, StatementError],
    // What a configuration got wrong.
    ["28P01 invalid_password", said("28P01"), connecting, writes, StatementError],
    ["28000 invalid_authorization_specification", said("28000"), connecting, writes, StatementError],
    ["3D000 invalid_catalog_name", said("3D000"), connecting, writes, StatementError],
  ] as const)("is typed by what it means: %s", (_, error, statement, scope, type) => {
    const failure = failureOf(error, statement, scope);
    expect(failure).toBeInstanceOf(type);
    expect(failure.cause).toBe(error);
  });

  test("is a request's end where the request has ended, whatever it says", () => {
    for (const reason of ["deadline", "abandoned"] as const) {
      const scope = new Deadline("any", NOW_MS, false);
      scope.end(reason);
      for (const error of [said("57014"), said("23505"), system("ECONNRESET")]) {
        const failure = failureOf(error, text, scope);
        expect(failure).toBeInstanceOf(DeadlineError);
        expect(failure.message).toContain(reason);
      }
    }
  });

  test.each([
    [0, DeadlineError],
    [19, DeadlineError],
    [21, UnavailableError],
  ])("57014 is the deadline's where that is near: %d ms away", (leftMs, type) => {
    const scope = new Deadline("any", NOW_MS + leftMs, false);
    expect(failureOf(said("57014"), text, scope)).toBeInstanceOf(type);
  });

  test("that is typed already stays as it is", () => {
    for (const error of [
      new UnavailableError("away"),
      new DeadlineError("over"),
      failureOf(said("23505"), text, writes),
    ]) {
      expect(failureOf(error, text, writes)).toBe(error);
    }
  });

  test("of a statement says which, and what was violated", () => {
    expect(failureOf(said("23505", { constraint: "notes_name" }), text, writes)).toMatchObject({
      name: "StatementError",
      code: "23505",
      constraint: "notes_name",
      statement: text,
      message: "said 23505",
    });
  });

  test("of several addresses says what each of them was", () => {
    const error = new AggregateError([system("ECONNREFUSED"), system("ETIMEDOUT")]);
    expect(failureOf(error, connecting, writes).message).toBe("connect ECONNREFUSED; connect ETIMEDOUT");
  });
});

describe("of a driver's error is known", () => {
  test("what PostgreSQL answered, and that the connection is whole after it", () => {
    expect(sqlState(said("23505"))).toBe("23505");
    expect(sqlState(system("ECONNRESET"))).toBeUndefined();
    expect(isServersAnswer(said("23505"))).toBe(true);
    expect(isServersAnswer(said("57014"))).toBe(true);
    for (const error of [said("57P01"), said("08006"), system("ECONNRESET"), undefined, "text"]) {
      expect(isServersAnswer(error)).toBe(false);
    }
  });

  test("that the server takes no writes", () => {
    expect(isReadOnlyServer(said("25006"))).toBe(true);
    expect(isReadOnlyServer(said("25001"))).toBe(false);
  });

  test("that a plan is stale, in the driver's form as in our own", () => {
    const stale = [
      said("26000"),
      said("42P05"),
      Object.assign(said("0A000"), { message: "cached plan must not change result type" }),
    ];
    for (const error of stale) {
      expect(isStaleState(error)).toBe(true);
      expect(isStalePlan(failureOf(error, text, writes))).toBe(true);
    }
    for (const error of [said("0A000"), said("42P01"), system("ECONNRESET")]) {
      expect(isStaleState(error)).toBe(false);
      expect(isStalePlan(failureOf(error, text, writes))).toBe(false);
    }
  });
});
