import { afterEach, beforeEach, describe, expect, test, vi } from "vitest";
import { createDeadlines, Deadline } from "../../../src/origin/middleware/deadline.ts";

const until = (deadlineAtMs: number) => new Deadline("any", deadlineAtMs, true);
/** How late a deadline may be noticed, milliseconds. */
const LATE_MS = 20;

describe("the deadlines of all requests", () => {
  beforeEach(() => void vi.useFakeTimers({ now: 0 }));
  afterEach(() => void vi.useRealTimers());

  test("end a request at its deadline, not before", () => {
    const deadlines = createDeadlines(Date.now);
    const one = until(1_000);
    deadlines.enter(one);
    vi.advanceTimersByTime(999);
    expect(one.ended).toBeUndefined();
    vi.advanceTimersByTime(LATE_MS);
    expect(one.ended).toBe("deadline");
  });

  test("end each request at its own deadline", () => {
    const deadlines = createDeadlines(Date.now);
    const each = [300, 100, 200].map(until);
    for (const one of each) deadlines.enter(one);
    vi.advanceTimersByTime(100 + LATE_MS);
    expect(each.map(({ ended }) => ended)).toEqual([undefined, "deadline", undefined]);
    vi.advanceTimersByTime(200);
    expect(each.map(({ ended }) => ended)).toEqual(["deadline", "deadline", "deadline"]);
  });

  test("do not end a request that has left", () => {
    const deadlines = createDeadlines(Date.now);
    const one = until(100);
    deadlines.enter(one);
    deadlines.leave(one);
    vi.advanceTimersByTime(1_000);
    expect(one.ended).toBeUndefined();
  });

  test("let a request leave while it is being ended", () => {
    const deadlines = createDeadlines(Date.now);
    const each = [until(100), until(100)];
    for (const one of each) {
      deadlines.enter(one);
      one.onEnd(() => deadlines.leave(one));
    }
    vi.advanceTimersByTime(100 + LATE_MS);
    expect(each.map(({ ended }) => ended)).toEqual(["deadline", "deadline"]);
    expect(deadlines.inFlight).toBe(0);
  });

  test("count requests in flight until they leave, even after their deadline", () => {
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

  test("need one timer for any number of requests, and none without", () => {
    const deadlines = createDeadlines(Date.now);
    expect(vi.getTimerCount()).toBe(0);
    const each = Array.from({ length: 100 }, () => until(100));
    for (const one of each) deadlines.enter(one);
    expect(vi.getTimerCount()).toBe(1);
    for (const one of each) deadlines.leave(one);
    vi.advanceTimersByTime(LATE_MS);
    expect(vi.getTimerCount()).toBe(0);
  });
});

const deadline = () => new Deadline("getProduct", 1_000, true);

describe("a request's deadline", () => {
  test("ends once: the first reason counts, and listeners are called once", () => {
    const each = deadline();
    const listener = vi.fn();
    each.onEnd(listener);
    each.end("deadline");
    each.end("abandoned");
    expect(each.ended).toBe("deadline");
    expect(listener.mock.calls).toEqual([["deadline"]]);
  });

  test("does not call a listener that was removed, even repeatedly", () => {
    const each = deadline();
    const listener = vi.fn();
    const remove = each.onEnd(listener);
    remove();
    remove();
    each.end("deadline");
    remove();
    expect(listener).not.toHaveBeenCalled();
  });

  test("does not call a listener that another one removes at the end", () => {
    const each = deadline();
    const listener = vi.fn();
    let remove = (): void => undefined;
    each.onEnd(() => remove());
    remove = each.onEnd(listener);
    each.end("deadline");
    expect(listener).not.toHaveBeenCalled();
  });

  test("calls a late listener immediately", () => {
    const each = deadline();
    each.end("abandoned");
    const listener = vi.fn();
    each.onEnd(listener)();
    expect(listener.mock.calls).toEqual([["abandoned"]]);
  });

  test("calls a listener that is added while it ends", () => {
    const each = deadline();
    const listener = vi.fn();
    each.onEnd(() => void each.onEnd(listener));
    each.end("deadline");
    expect(listener.mock.calls).toEqual([["deadline"]]);
  });

  test("has one signal, which aborts with the reason", () => {
    const each = deadline();
    const { signal } = each;
    expect(each.signal).toBe(signal);
    expect(signal.aborted).toBe(false);
    each.end("deadline");
    expect(signal).toMatchObject({ aborted: true, reason: "deadline" });
  });

  test("has an aborted signal after its end", () => {
    const each = deadline();
    each.end("abandoned");
    expect(each.signal).toMatchObject({ aborted: true, reason: "abandoned" });
  });
});
