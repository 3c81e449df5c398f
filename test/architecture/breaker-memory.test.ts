/** What a breaker keeps of its callers: nothing. */
import { getEventListeners } from "node:events";
import { expect, test } from "vitest";
import { createBreaker } from "../../src/resilience/circuit-breaker/circuit-breaker.ts";
import { usedBytes } from "../support/heap.ts";

const start = () =>
  createBreaker({ failureThreshold: 1_000_000_000 }, { now: Date.now, random: Math.random });

test("a million calls, and permits that nobody ever settles, leave a breaker as large as it was", () => {
  const breaker = start();
  const calls = (times: number): void => {
    for (let turn = 0; turn < times; turn += 1) {
      breaker.tryAcquire();
      const permit = breaker.tryAcquire();
      if (permit.granted) permit.ok();
    }
  };
  calls(10_000);
  const before = usedBytes();
  calls(1_000_000);
  expect(usedBytes() - before).toBeLessThan(1_000_000);
  expect(breaker.state).toBe("closed");
});

test("of a call that has been made nothing is held, and no listener is left on its caller's signal", async () => {
  const breaker = start();
  const { signal } = new AbortController();
  const held: WeakRef<object>[] = [];
  const make = async (isFailing: boolean): Promise<void> => {
    const result = { isFailing, signal };
    const attempt = async (): Promise<object> => {
      if (isFailing) throw new Error("failed", { cause: result });
      return result;
    };
    held.push(new WeakRef(result), new WeakRef(attempt));
    await breaker.run(attempt, () => "failure").catch(() => undefined);
  };
  for (let turn = 0; turn < 100; turn += 1) await make(turn % 2 === 0);
  // What was looked at in this turn of the event loop is kept until its end.
  await new Promise((resolve) => void setImmediate(resolve));
  usedBytes();
  expect(held.filter((each) => each.deref() !== undefined)).toEqual([]);
  expect(getEventListeners(signal, "abort")).toEqual([]);
});
