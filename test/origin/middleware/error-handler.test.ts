import { afterEach, beforeEach, expect, test, vi } from "vitest";
import {
  CircuitOpenError,
  DeadlineError,
  OutcomeUnknownError,
  UnavailableError,
} from "../../../src/origin/db/errors.ts";
import { createLog } from "../../../src/origin/log/log.ts";
import { problemOf } from "../../../src/origin/middleware/error-handler.ts";
import { RouteBusyError, ShedError } from "../../../src/origin/middleware/load-shedding.ts";

const NOW_MS = 1_000_000;
beforeEach(() => void vi.useFakeTimers({ now: NOW_MS }));
afterEach(() => void vi.useRealTimers());

const about = { requestId: "id", route: "any" };

/** What the client receives, and how many lines were logged. */
const outcomeOf = (error: unknown) => {
  const log = createLog("silent");
  const logged = [vi.spyOn(log, "warn"), vi.spyOn(log, "error")];
  const { code, headers } = problemOf(error, about, log);
  const lines = logged.reduce((sum, each) => sum + each.mock.calls.length, 0);
  return { code, retryAfter: headers?.["retry-after"], lines };
};

test.each([
  [
    "an open circuit breaker is not logged each time",
    new CircuitOpenError("PostgreSQL", NOW_MS + 1_500),
    { code: "unavailable", retryAfter: "2", lines: 0 },
  ],
  [
    "a breaker whose time has passed",
    new CircuitOpenError("PostgreSQL", NOW_MS - 1),
    { code: "unavailable", retryAfter: "1", lines: 0 },
  ],
  ["a shed request", new ShedError(), { code: "unavailable", retryAfter: "1", lines: 0 }],
  ["a busy route", new RouteBusyError(), { code: "unavailable", retryAfter: "1", lines: 0 }],
  [
    "an unavailable dependency",
    new UnavailableError("down"),
    { code: "unavailable", retryAfter: "1", lines: 1 },
  ],
  [
    "a write that may have been committed",
    new OutcomeUnknownError("lost"),
    { code: "outcome_unknown", retryAfter: "1", lines: 1 },
  ],
  ["a deadline", new DeadlineError("over"), { code: "deadline_exceeded", retryAfter: undefined, lines: 1 }],
  ["an unexpected error", new TypeError("?"), { code: "internal", retryAfter: undefined, lines: 1 }],
])("%s", (_, error, answer) => {
  expect(outcomeOf(error)).toEqual(answer);
});
