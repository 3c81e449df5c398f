import { describe, expect, test, vi } from "vitest";
import { RequestScope } from "../../src/origin/request-scope.ts";

const scope = () => new RequestScope("getProduct", 1_000, true);

describe("a request's scope", () => {
  test("says for whom it is and until when", () => {
    expect(scope()).toMatchObject({
      name: "getProduct",
      deadlineAtMs: 1_000,
      readOnly: true,
      ended: undefined,
    });
  });

  test("ends once: the first reason counts, and is told once", () => {
    const each = scope();
    const told = vi.fn();
    each.onEnd(told);
    each.end("deadline");
    each.end("abandoned");
    expect(each.ended).toBe("deadline");
    expect(told.mock.calls).toEqual([["deadline"]]);
  });

  test("tells everybody who listens, in the order in which they came", () => {
    const each = scope();
    const told: number[] = [];
    for (const n of [1, 2, 3]) each.onEnd(() => void told.push(n));
    each.end("abandoned");
    expect(told).toEqual([1, 2, 3]);
  });

  test("does not tell a listener that was taken back, however often it was", () => {
    const each = scope();
    const told = vi.fn();
    const takeBack = each.onEnd(told);
    takeBack();
    takeBack();
    each.end("deadline");
    takeBack();
    expect(told).not.toHaveBeenCalled();
  });

  test("does not tell a listener that another one takes back while it ends", () => {
    const each = scope();
    const told = vi.fn();
    let takeBack = (): void => undefined;
    each.onEnd(() => takeBack());
    takeBack = each.onEnd(told);
    each.end("deadline");
    expect(told).not.toHaveBeenCalled();
  });

  test("tells a listener that comes late at once", () => {
    const each = scope();
    each.end("abandoned");
    const told = vi.fn();
    each.onEnd(told)();
    expect(told.mock.calls).toEqual([["abandoned"]]);
  });

  test("tells a listener that comes while it ends", () => {
    const each = scope();
    const told = vi.fn();
    each.onEnd(() => void each.onEnd(told));
    each.end("deadline");
    expect(told.mock.calls).toEqual([["deadline"]]);
  });

  test("has one signal, which aborts with the reason", () => {
    const each = scope();
    const { signal } = each;
    expect(each.signal).toBe(signal);
    expect(signal.aborted).toBe(false);
    each.end("deadline");
    expect(signal).toMatchObject({ aborted: true, reason: "deadline" });
  });

  test("has an aborted signal for who asks after its end", () => {
    const each = scope();
    each.end("abandoned");
    expect(each.signal).toMatchObject({ aborted: true, reason: "abandoned" });
  });

  test("makes a signal only for who asks for one", () => {
    const made = vi.spyOn(globalThis, "AbortController");
    try {
      const each = scope();
      each.onEnd(() => undefined);
      each.end("deadline");
      expect(made).not.toHaveBeenCalled();
    } finally {
      made.mockRestore();
    }
  });
});
