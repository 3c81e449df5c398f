import { expect, test, vi } from "vitest";
import { repeat } from "../../../src/origin/lifecycle/repeat.ts";

test("work begins at once, and again after it has ended", async () => {
  const rounds = vi.fn(async () => undefined);
  const repetition = repeat(rounds, 1);
  expect(rounds).toHaveBeenCalledTimes(1);
  await expect.poll(() => rounds.mock.calls.length).toBeGreaterThan(2);
  await repetition.stop();
});

test("work is never done twice at a time", async () => {
  let atOnce = 0;
  let most = 0;
  let rounds = 0;
  const repetition = repeat(async () => {
    rounds += 1;
    atOnce += 1;
    most = Math.max(most, atOnce);
    await new Promise((resolve) => setImmediate(resolve));
    atOnce -= 1;
  }, 0);
  await expect.poll(() => rounds).toBeGreaterThan(3);
  await repetition.stop();
  expect(most).toBe(1);
});

test("to stop waits for the running round, and begins no other", async () => {
  const round = Promise.withResolvers<void>();
  const work = vi.fn(() => round.promise);
  const repetition = repeat(work, 0);
  const stopped = vi.fn();
  const stopping = repetition.stop().then(stopped);
  await new Promise((resolve) => setImmediate(resolve));
  expect(stopped).not.toHaveBeenCalled();
  round.resolve();
  await stopping;
  expect(work).toHaveBeenCalledTimes(1);
});

test("to stop does not wait for a pause to be over", async () => {
  const repetition = repeat(async () => undefined, 1_000_000);
  await new Promise((resolve) => setImmediate(resolve));
  await repetition.stop();
});
