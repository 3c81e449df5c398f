import { expect, test } from "vitest";
import { sleep, timeoutSignal, withTimeout } from "../../src/lib/async.ts";

/** Keeps the event loop busy: timers that are due meanwhile run late. */
const block = (ms: number): void => {
  const untilMs = performance.now() + ms;
  while (performance.now() < untilMs);
};

test("a timeout ends after its time", async () => {
  const sinceMs = performance.now();
  await expect(withTimeout(new Promise(() => undefined), 50)).rejects.toThrow("timed out after 50 ms");
  expect(performance.now() - sinceMs).toBeGreaterThan(45);
  expect(await withTimeout(new Promise(() => undefined), 7, { fallback: "late" })).toBe("late");
});

test("the process's own backlog is no timeout: a reply that takes three turns of a busy loop arrives", async () => {
  const reply = async (): Promise<string> => {
    for (let turn = 0; turn < 3; turn += 1) {
      await sleep(1);
      block(60);
    }
    return "reply";
  };
  const timeout = timeoutSignal(50);
  expect(await withTimeout(reply(), 50)).toBe("reply");
  expect(timeout.signal.aborted).toBe(false);
  timeout.clear();
});

test("a signal without time aborts, and a cleared one does not", async () => {
  const [now, cleared] = [timeoutSignal(-1), timeoutSignal(10)];
  cleared.clear();
  await sleep(30);
  expect([now.signal.aborted, cleared.signal.aborted]).toEqual([true, false]);
});
