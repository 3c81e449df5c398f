import { afterEach, beforeEach, expect, test, vi } from "vitest";
import { ShedError } from "../../src/origin/middleware/load-shedding.ts";
import { CircuitOpenError, DeadlineError, UnavailableError } from "../../src/origin/data/failure.ts";
import { problemOfFailure } from "../../src/origin/failure-problem.ts";
import { createLog } from "../../src/origin/log.ts";

const NOW_MS = 1_000_000;
beforeEach(() => void vi.useFakeTimers({ now: NOW_MS }));
afterEach(() => void vi.useRealTimers());

const about = { requestId: "id", route: "any" };

/** What the client gets of it, and how often the log was written to. */
const answerTo = (error: unknown) => {
  const log = createLog("silent");
  const written = [vi.spyOn(log, "warn"), vi.spyOn(log, "error")];
  const { code, headers } = problemOfFailure(error, about, log);
  const lines = written.reduce((sum, each) => sum + each.mock.calls.length, 0);
  return { code, retryAfter: headers?.["retry-after"], lines };
};

test.each([
  [
    "a dependency whose breaker is open: no line each time",
    new CircuitOpenError("PostgreSQL", NOW_MS + 1_500),
    { code: "unavailable", retryAfter: "2", lines: 0 },
  ],
  [
    "one whose time is over by now",
    new CircuitOpenError("PostgreSQL", NOW_MS - 1),
    { code: "unavailable", retryAfter: "1", lines: 0 },
  ],
  ["a request that was shed", new ShedError(3), { code: "unavailable", retryAfter: "3", lines: 0 }],
  [
    "a dependency that is away",
    new UnavailableError("away"),
    { code: "unavailable", retryAfter: "1", lines: 1 },
  ],
  ["a deadline", new DeadlineError("over"), { code: "deadline_exceeded", retryAfter: undefined, lines: 1 }],
  ["what nobody foresaw", new TypeError("?"), { code: "internal", retryAfter: undefined, lines: 1 }],
])("%s", (_, error, answer) => {
  expect(answerTo(error)).toEqual(answer);
});
