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

const HOUR_MS = 3_600_000;

test("a nudge begins a round at once, and one within a round begins another after it", async () => {
  const begun: PromiseWithResolvers<void>[] = [0, 1, 2].map(() => Promise.withResolvers<void>());
  let count = 0;
  let running = 0;
  const work = async (): Promise<void> => {
    running += 1;
    expect(running).toBe(1);
    begun[count]?.resolve();
    count += 1;
    if (count === 2) subject.nudge();
    await Promise.resolve();
    running -= 1;
  };
  const subject = repeat(work, HOUR_MS);
  await begun[0]?.promise;
  await new Promise((resolve) => setImmediate(resolve));
  subject.nudge();
  await begun[2]?.promise;
  await subject.stop();
  expect(count).toBe(3);
});

test("ends with the round that is under way, which is told of it", async () => {
  const begun = Promise.withResolvers<void>();
  const told = Promise.withResolvers<void>();
  const subject = repeat(async (signal) => {
    signal.addEventListener("abort", () => told.resolve());
    begun.resolve();
    await told.promise;
  }, HOUR_MS);
  await begun.promise;
  await subject.stop();
});
