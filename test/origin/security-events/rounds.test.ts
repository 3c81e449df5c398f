import { expect, test } from "vitest";
import { rounds } from "../../../src/origin/security-events/rounds.ts";

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
  const subject = rounds(work, HOUR_MS);
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
  const subject = rounds(async (signal) => {
    signal.addEventListener("abort", () => told.resolve());
    begun.resolve();
    await told.promise;
  }, HOUR_MS);
  await begun.promise;
  await subject.stop();
});
