import { afterEach, beforeEach, describe, expect, test, vi } from "vitest";
import { createDeadlines } from "../../src/origin/deadlines.ts";
import { RequestScope } from "../../src/origin/request-scope.ts";

beforeEach(() => void vi.useFakeTimers({ now: 0 }));
afterEach(() => void vi.useRealTimers());

const until = (deadlineAtMs: number) => new RequestScope("any", deadlineAtMs, true);
/** How late a deadline may be noticed. */
const LATE_MS = 20;

describe("the watch over deadlines", () => {
  test("ends a request at its deadline, not before it", () => {
    const deadlines = createDeadlines(Date.now);
    const scope = until(1_000);
    deadlines.enter(scope);
    vi.advanceTimersByTime(999);
    expect(scope.ended).toBeUndefined();
    vi.advanceTimersByTime(LATE_MS);
    expect(scope.ended).toBe("deadline");
  });

  test("ends each at its own", () => {
    const deadlines = createDeadlines(Date.now);
    const scopes = [300, 100, 200].map(until);
    for (const scope of scopes) deadlines.enter(scope);
    vi.advanceTimersByTime(100 + LATE_MS);
    expect(scopes.map(({ ended }) => ended)).toEqual([undefined, "deadline", undefined]);
    vi.advanceTimersByTime(200);
    expect(scopes.map(({ ended }) => ended)).toEqual(["deadline", "deadline", "deadline"]);
  });

  test("ends at once what came too late", () => {
    const deadlines = createDeadlines(Date.now);
    vi.setSystemTime(5_000);
    const scope = until(1_000);
    deadlines.enter(scope);
    vi.advanceTimersByTime(LATE_MS);
    expect(scope.ended).toBe("deadline");
  });

  test("leaves alone what has left", () => {
    const deadlines = createDeadlines(Date.now);
    const scope = until(100);
    deadlines.enter(scope);
    deadlines.leave(scope);
    vi.advanceTimersByTime(1_000);
    expect(scope.ended).toBeUndefined();
  });

  test("lets a request leave while it is being ended", () => {
    const deadlines = createDeadlines(Date.now);
    const scopes = [until(100), until(100)];
    for (const scope of scopes) {
      deadlines.enter(scope);
      scope.onEnd(() => deadlines.leave(scope));
    }
    vi.advanceTimersByTime(100 + LATE_MS);
    expect(scopes.map(({ ended }) => ended)).toEqual(["deadline", "deadline"]);
    expect(deadlines.inFlight).toBe(0);
  });

  test("counts what is in flight, also past its deadline until it leaves", () => {
    const deadlines = createDeadlines(Date.now);
    const [one, two] = [until(100), until(10_000)];
    deadlines.enter(one);
    deadlines.enter(two);
    vi.advanceTimersByTime(1_000);
    expect(deadlines.inFlight).toBe(2);
    deadlines.leave(one);
    deadlines.leave(one);
    expect(deadlines.inFlight).toBe(1);
  });

  test("keeps no timer where nothing is in flight, and one however much is", () => {
    const deadlines = createDeadlines(Date.now);
    expect(vi.getTimerCount()).toBe(0);
    const scopes = Array.from({ length: 100 }, () => until(100));
    for (const scope of scopes) deadlines.enter(scope);
    expect(vi.getTimerCount()).toBe(1);
    for (const scope of scopes) deadlines.leave(scope);
    vi.advanceTimersByTime(LATE_MS);
    expect(vi.getTimerCount()).toBe(0);
  });

  test("begins again after it has stopped", () => {
    const deadlines = createDeadlines(Date.now);
    const first = until(100);
    deadlines.enter(first);
    deadlines.leave(first);
    vi.advanceTimersByTime(1_000);
    const second = until(2_000);
    deadlines.enter(second);
    vi.advanceTimersByTime(1_000 + LATE_MS);
    expect(second.ended).toBe("deadline");
  });
});
