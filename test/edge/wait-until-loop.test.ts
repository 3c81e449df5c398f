import { afterEach, beforeEach, describe, expect, test, vi } from "vitest";
import { createWaitUntilLoop, type WaitUntilLoopDeps } from "../../src/edge/wait-until-loop.ts";

const GATHER_MS = 1_000;
/** The platform's limit for work after a response. */
const PLATFORM_MS = 30_000;

beforeEach(() => void vi.useFakeTimers());
afterEach(() => void vi.useRealTimers());

/** An isolate's loop. @param round the work of the n-th round */
const start = (
  round: (n: number) => Promise<void> | void = () => undefined,
  options: Partial<WaitUntilLoopDeps> = {},
) => {
  let dueAtMs = 0;
  let rounds = 0;
  const background: Promise<unknown>[] = [];
  const tick = createWaitUntilLoop({
    nextAtMs: () => dueAtMs,
    run: async () => {
      rounds += 1;
      await round(rounds);
    },
    intervalMs: GATHER_MS,
    now: () => Date.now(),
    ...options,
  });
  return {
    background,
    rounds: () => rounds,
    due: (atMs: number) => {
      dueAtMs = atMs;
    },
    request: () => tick((work) => void background.push(work)),
  };
};

const never = (): Promise<never> => new Promise(() => undefined);

describe("the loop", () => {
  test("does not run without work", () => {
    const isolate = start();
    isolate.due(Number.POSITIVE_INFINITY);
    isolate.request();
    expect(isolate.background).toEqual([]);
  });

  test("runs behind one request at a time, a round per interval, until there is no work", async () => {
    const isolate = start();
    for (let turn = 0; turn < 10; turn += 1) isolate.request();
    await vi.advanceTimersByTimeAsync(GATHER_MS - 1);
    expect(isolate.rounds()).toBe(0);
    await vi.advanceTimersByTimeAsync(2 * GATHER_MS + 1);
    expect(isolate.rounds()).toBe(3);
    isolate.due(Number.POSITIVE_INFINITY);
    await vi.advanceTimersByTimeAsync(GATHER_MS);
    expect(isolate.background).toHaveLength(1);
    await expect(isolate.background[0]).resolves.toBeUndefined();
    isolate.due(0);
    isolate.request();
    expect(isolate.background).toHaveLength(2);
  });

  test("waits until work is due, and leaves later work to a later request", async () => {
    const isolate = start();
    isolate.due(Date.now() + 5_000);
    isolate.request();
    await vi.advanceTimersByTimeAsync(4_999);
    expect(isolate.rounds()).toBe(0);
    await vi.advanceTimersByTimeAsync(1);
    expect(isolate.rounds()).toBe(1);
    isolate.due(Date.now() + 60_000);
    await vi.advanceTimersByTimeAsync(GATHER_MS);
    await expect(isolate.background[0]).resolves.toBeUndefined();
    await vi.advanceTimersByTimeAsync(49_000);
    expect(isolate.rounds()).toBe(1);
    isolate.request();
    await vi.advanceTimersByTimeAsync(10_000);
    expect(isolate.rounds()).toBe(2);
  });

  test("stops well before the platform would end it, and another request goes on at once", async () => {
    const isolate = start();
    isolate.request();
    await vi.advanceTimersByTimeAsync(PLATFORM_MS - GATHER_MS);
    await expect(isolate.background[0]).resolves.toBeUndefined();
    const before = isolate.rounds();
    isolate.request();
    await vi.advanceTimersByTimeAsync(GATHER_MS);
    expect(isolate.rounds()).toBe(before + 1);
  });

  test("is handed to a later request, so that work due within 10 s is done even if no request follows", async () => {
    const isolate = start();
    isolate.due(Date.now() + 14_500);
    isolate.request();
    await vi.advanceTimersByTimeAsync(14_500);
    isolate.request();
    isolate.request();
    isolate.due(Date.now() + 10_000);
    await vi.advanceTimersByTimeAsync(GATHER_MS);
    expect(isolate.background).toHaveLength(2);
    await expect(isolate.background[0]).resolves.toBeUndefined();
    await vi.advanceTimersByTimeAsync(9_000);
    expect(isolate.rounds()).toBe(1);
  });

  test("is not handed over during a round", async () => {
    const isolate = start((n) => (n === 1 ? never() : undefined));
    isolate.request();
    await vi.advanceTimersByTimeAsync(PLATFORM_MS - GATHER_MS);
    isolate.request();
    expect(isolate.background).toHaveLength(1);
  });

  test("ends for this request alone if a round throws", async () => {
    const isolate = start((n) => {
      if (n === 1) throw new Error("thrown by a round");
    });
    isolate.request();
    const ended = expect(isolate.background[0]).rejects.toThrow("thrown by a round");
    await vi.advanceTimersByTimeAsync(GATHER_MS);
    await ended;
    isolate.request();
    await vi.advanceTimersByTimeAsync(GATHER_MS);
    expect(isolate.rounds()).toBe(2);
  });

  test("never runs twice at a time, even if the clock stands still", async () => {
    const isolate = start(undefined, { now: () => 1_000 });
    for (let turn = 0; turn < 5; turn += 1) isolate.request();
    await vi.advanceTimersByTimeAsync(5 * GATHER_MS);
    expect(isolate.background).toHaveLength(1);
    expect(isolate.rounds()).toBe(5);
  });
});

describe("a round whose request the platform has ended", () => {
  test.each([
    ["", 0],
    [", even if the clock is set back", 3_600_000],
  ])("blocks the loop no longer than the platform's limit%s", async (_, backMs) => {
    const isolate = start((n) => (n === 1 ? never() : undefined));
    isolate.request();
    await vi.advanceTimersByTimeAsync(GATHER_MS);
    isolate.request();
    expect(isolate.background).toHaveLength(1);
    vi.setSystemTime(Date.now() - backMs);
    await vi.advanceTimersByTimeAsync(PLATFORM_MS);
    isolate.request();
    await vi.advanceTimersByTimeAsync(GATHER_MS);
    expect(isolate.rounds()).toBe(2);
  });

  test("does not end the loop of another request when it ends late", async () => {
    const slow = Promise.withResolvers<void>();
    const isolate = start((n) => (n === 1 ? slow.promise : undefined));
    isolate.request();
    await vi.advanceTimersByTimeAsync(PLATFORM_MS);
    isolate.request();
    slow.resolve();
    await isolate.background[0];
    isolate.request();
    expect(isolate.background).toHaveLength(2);
  });
});
