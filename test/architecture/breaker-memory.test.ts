/** A breaker keeps nothing of its callers. */
import { getEventListeners } from "node:events";
import { expect, test } from "vitest";
import { createBreaker } from "../../src/resilience/circuit-breaker/circuit-breaker.ts";
import { usedBytes } from "../support/heap.ts";

const start = () =>
  createBreaker({ failureThreshold: 1_000_000_000 }, { now: Date.now, random: Math.random });

test("neither a million calls nor unsettled permits make a breaker larger", () => {
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

test("a breaker keeps no reference to a call, and no listener on its caller's signal", async () => {
  const breaker = start();
  const { signal } = new AbortController();
  const references: WeakRef<object>[] = [];
  const make = async (isFailing: boolean): Promise<void> => {
    const result = { isFailing, signal };
    const attempt = async (): Promise<object> => {
      if (isFailing) throw new Error("failed", { cause: result });
      return result;
    };
    references.push(new WeakRef(result), new WeakRef(attempt));
    await breaker.run(attempt, () => "failure").catch(() => undefined);
  };
  for (let turn = 0; turn < 100; turn += 1) await make(turn % 2 === 0);
  // A WeakRef keeps its target until the end of this turn of the event loop.
  await new Promise((resolve) => void setImmediate(resolve));
  usedBytes();
  expect(references.filter((each) => each.deref() !== undefined)).toEqual([]);
  expect(getEventListeners(signal, "abort")).toEqual([]);
});
