import { afterEach, beforeEach, describe, expect, test, vi } from "vitest";
import { createWaitUntilLoop, type WaitUntilLoopDeps } from "../../src/edge/wait-until-loop.ts";

const GATHER_MS = 1_000;
/** The platform lets work go on behind an answer for half a minute. */
const PLATFORM_MS = 30_000;

beforeEach(() => void vi.useFakeTimers());
afterEach(() => void vi.useRealTimers());

/** An isolate's rounds, whose work is what the test says. */
const start = (options: Partial<WaitUntilLoopDeps> = {}) => {
  let dueAtMs: number | undefined = 0;
  let rounds = 0;
  const background: Promise<unknown>[] = [];
  const tend = createWaitUntilLoop({
    nextAtMs: () => dueAtMs,
    run: async () => {
      rounds += 1;
    },
    intervalMs: GATHER_MS,
    now: () => Date.now(),
    ...options,
  });
  return {
    background,
    rounds: () => rounds,
    /** @param atMs undefined: nothing is to be done */
    due: (atMs: number | undefined) => {
      dueAtMs = atMs;
    },
    request: () => tend((work) => void background.push(work)),
  };
};

describe("work of its own time", () => {
  test("is nobody's where there is none", () => {
    const isolate = start();
    isolate.due(undefined);
    isolate.request();
    expect(isolate.background).toEqual([]);
  });

  test("is done in a request's background, after others have had time to add to it", async () => {
    const isolate = start();
    isolate.request();
    await vi.advanceTimersByTimeAsync(GATHER_MS - 1);
    expect(isolate.rounds()).toBe(0);
    await vi.advanceTimersByTimeAsync(1);
    expect(isolate.rounds()).toBe(1);
  });

  test("is one request's at a time", async () => {
    const isolate = start();
    for (let turn = 0; turn < 10; turn += 1) isolate.request();
    await vi.advanceTimersByTimeAsync(GATHER_MS);
    expect(isolate.background).toHaveLength(1);
    expect(isolate.rounds()).toBe(1);
  });

  test("is waited for until it is due", async () => {
    const isolate = start();
    isolate.due(Date.now() + 5_000);
    isolate.request();
    await vi.advanceTimersByTimeAsync(4_999);
    expect(isolate.rounds()).toBe(0);
    await vi.advanceTimersByTimeAsync(1);
    expect(isolate.rounds()).toBe(1);
  });

  test("goes on, with a pause between two rounds, as long as there is some", async () => {
    const isolate = start();
    isolate.request();
    await vi.advanceTimersByTimeAsync(3 * GATHER_MS);
    expect(isolate.rounds()).toBe(3);
    isolate.due(undefined);
    await vi.advanceTimersByTimeAsync(GATHER_MS);
    await expect(isolate.background[0]).resolves.toBeUndefined();
  });

  test("is taken up by a later request once it is over", async () => {
    const isolate = start();
    isolate.request();
    isolate.due(undefined);
    await vi.advanceTimersByTimeAsync(GATHER_MS);
    isolate.due(0);
    isolate.request();
    expect(isolate.background).toHaveLength(2);
  });

  test("is given up well before the platform would end it, and another request goes on at once", async () => {
    const isolate = start();
    isolate.request();
    let hasEnded = false;
    void isolate.background[0]?.then(() => {
      hasEnded = true;
    });
    await vi.advanceTimersByTimeAsync(PLATFORM_MS - GATHER_MS);
    expect(hasEnded).toBe(true);
    const before = isolate.rounds();
    isolate.request();
    await vi.advanceTimersByTimeAsync(GATHER_MS);
    expect(isolate.rounds()).toBe(before + 1);
  });

  test("that is due later than a request may wait is left to one that comes later", async () => {
    const isolate = start();
    isolate.due(Date.now() + 60_000);
    isolate.request();
    await expect(isolate.background[0]).resolves.toBeUndefined();
    await vi.advanceTimersByTimeAsync(50_000);
    expect(isolate.rounds()).toBe(0);
    isolate.request();
    await vi.advanceTimersByTimeAsync(10_000);
    expect(isolate.rounds()).toBe(1);
  });

  test("that throws ends the rounds of this request alone", async () => {
    let fails = true;
    let rounds = 0;
    const isolate = start({
      run: async () => {
        rounds += 1;
        if (fails) throw new Error("thrown by a round");
      },
    });
    isolate.request();
    const ended = expect(isolate.background[0]).rejects.toThrow("thrown by a round");
    await vi.advanceTimersByTimeAsync(GATHER_MS);
    await ended;
    fails = false;
    isolate.request();
    await vi.advanceTimersByTimeAsync(GATHER_MS);
    expect(rounds).toBe(2);
  });
});

describe("a round whose request the platform has ended", () => {
  /** Its first round never says another word. */
  const ended = () => {
    let rounds = 0;
    const isolate = start({
      run: async () => {
        rounds += 1;
        if (rounds === 1) await new Promise<never>(() => undefined);
      },
    });
    return { ...isolate, rounds: () => rounds };
  };

  test("holds nobody up beyond its time", async () => {
    const isolate = ended();
    isolate.request();
    await vi.advanceTimersByTimeAsync(GATHER_MS);
    isolate.request();
    expect(isolate.background).toHaveLength(1);
    await vi.advanceTimersByTimeAsync(PLATFORM_MS);
    isolate.request();
    await vi.advanceTimersByTimeAsync(GATHER_MS);
    expect(isolate.rounds()).toBe(2);
  });

  test("holds nobody up where the clock is set back meanwhile", async () => {
    const isolate = ended();
    isolate.request();
    await vi.advanceTimersByTimeAsync(GATHER_MS);
    vi.setSystemTime(Date.now() - 3_600_000);
    await vi.advanceTimersByTimeAsync(PLATFORM_MS);
    isolate.request();
    await vi.advanceTimersByTimeAsync(GATHER_MS);
    expect(isolate.rounds()).toBe(2);
  });
});

test("who ends late does not take away another one's turn", async () => {
  const slow = Promise.withResolvers<void>();
  let rounds = 0;
  const isolate = start({
    run: async () => {
      rounds += 1;
      if (rounds === 1) await slow.promise;
    },
  });
  isolate.request();
  await vi.advanceTimersByTimeAsync(PLATFORM_MS);
  isolate.request();
  slow.resolve();
  await isolate.background[0];
  isolate.request();
  expect(isolate.background).toHaveLength(2);
});

test("a clock that stands still lets nothing be done twice at a time", async () => {
  let rounds = 0;
  const isolate = start({
    now: () => 1_000,
    run: async () => {
      rounds += 1;
    },
  });
  for (let turn = 0; turn < 5; turn += 1) isolate.request();
  await vi.advanceTimersByTimeAsync(5 * GATHER_MS);
  expect(isolate.background).toHaveLength(1);
  expect(rounds).toBe(5);
});
