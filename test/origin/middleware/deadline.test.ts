import { afterEach, beforeEach, describe, expect, test, vi } from "vitest";
import { createDeadlines, Deadline } from "../../../src/origin/middleware/deadline.ts";

beforeEach(() => void vi.useFakeTimers({ now: 0 }));
afterEach(() => void vi.useRealTimers());

const until = (deadlineAtMs: number) => new Deadline("any", deadlineAtMs, true);
/** How late a deadline may be noticed, milliseconds. */
const LATE_MS = 20;

/** Requests in flight with these deadlines. */
const entered = (...deadlinesMs: number[]) => {
  const deadlines = createDeadlines(Date.now);
  const each = deadlinesMs.map(until);
  for (const one of each) deadlines.enter(one);
  return { deadlines, each, ends: () => each.map(({ ended }) => ended) };
};

describe("the deadlines of all requests", () => {
  test("end each request at its own deadline, not before", () => {
    const { ends } = entered(300, 100, 200);
    vi.advanceTimersByTime(99);
    expect(ends()).toEqual([undefined, undefined, undefined]);
    vi.advanceTimersByTime(1 + LATE_MS);
    expect(ends()).toEqual([undefined, "deadline", undefined]);
    vi.advanceTimersByTime(200);
    expect(ends()).toEqual(["deadline", "deadline", "deadline"]);
  });

  test("do not end a request that has left", () => {
    const { deadlines, each, ends } = entered(100);
    for (const one of each) deadlines.leave(one);
    vi.advanceTimersByTime(1_000);
    expect(ends()).toEqual([undefined]);
  });

  test("let a request leave while it is being ended", () => {
    const { deadlines, each, ends } = entered(100, 100);
    for (const one of each) one.onEnd(() => deadlines.leave(one));
    vi.advanceTimersByTime(100 + LATE_MS);
    expect(ends()).toEqual(["deadline", "deadline"]);
    expect(deadlines.inFlight).toBe(0);
  });

  test("count requests in flight until they leave, even after their deadline", () => {
    const { deadlines, each } = entered(100, 10_000);
    vi.advanceTimersByTime(1_000);
    expect(deadlines.inFlight).toBe(2);
    for (const one of each.slice(1)) deadlines.leave(one);
    expect(deadlines.inFlight).toBe(1);
  });

  test("share one timer, which ends with the last request", () => {
    const { deadlines, each } = entered(...new Array(100).fill(100));
    expect(vi.getTimerCount()).toBe(1);
    for (const one of each) deadlines.leave(one);
    vi.advanceTimersByTime(LATE_MS);
    expect(vi.getTimerCount()).toBe(0);
  });
});

describe("a request's deadline", () => {
  test("ends once: the first reason counts, and listeners are called once", () => {
    const deadline = until(1_000);
    const listener = vi.fn();
    deadline.onEnd(listener);
    deadline.end("deadline");
    deadline.end("abandoned");
    expect(deadline.ended).toBe("deadline");
    expect(listener.mock.calls).toEqual([["deadline"]]);
  });

  test("does not call a removed listener, even if another one removes it at the end", () => {
    const deadline = until(1_000);
    const listener = vi.fn();
    deadline.onEnd(listener)();
    let remove = (): void => undefined;
    deadline.onEnd(() => remove());
    remove = deadline.onEnd(listener);
    deadline.end("deadline");
    expect(listener).not.toHaveBeenCalled();
  });

  test("calls a listener immediately that is added at or after the end", () => {
    const deadline = until(1_000);
    const [atEnd, later] = [vi.fn(), vi.fn()];
    deadline.onEnd(() => void deadline.onEnd(atEnd));
    deadline.end("abandoned");
    deadline.onEnd(later)();
    expect([atEnd.mock.calls, later.mock.calls]).toEqual([[["abandoned"]], [["abandoned"]]]);
  });

  test.each([
    true,
    false,
  ])("has one signal, which aborts with the reason; read before the end: %s", (isEarly) => {
    const deadline = until(1_000);
    if (isEarly) expect(deadline.signal.aborted).toBe(false);
    const before = isEarly ? deadline.signal : undefined;
    deadline.end("deadline");
    expect(deadline.signal).toMatchObject({ aborted: true, reason: "deadline" });
    expect(deadline.signal).toBe(before ?? deadline.signal);
  });
});
