import { expect, test, vi } from "vitest";
import { startJob } from "../../../src/origin/lifecycle/jobs.ts";

test("a job runs immediately, and again after each run", async () => {
  const runs = vi.fn(async () => undefined);
  const job = startJob(runs, 1);
  expect(runs).toHaveBeenCalledTimes(1);
  await expect.poll(() => runs.mock.calls.length).toBeGreaterThan(2);
  await job.stop();
});

test("runs never overlap", async () => {
  let atOnce = 0;
  let most = 0;
  let runs = 0;
  const job = startJob(async () => {
    runs += 1;
    atOnce += 1;
    most = Math.max(most, atOnce);
    await new Promise((resolve) => setImmediate(resolve));
    atOnce -= 1;
  }, 0);
  await expect.poll(() => runs).toBeGreaterThan(3);
  await job.stop();
  expect(most).toBe(1);
});

test("stopping waits for the current run and starts no other", async () => {
  const run = Promise.withResolvers<void>();
  const work = vi.fn(() => run.promise);
  const job = startJob(work, 0);
  const stopped = vi.fn();
  const stopping = job.stop().then(stopped);
  await new Promise((resolve) => setImmediate(resolve));
  expect(stopped).not.toHaveBeenCalled();
  run.resolve();
  await stopping;
  expect(work).toHaveBeenCalledTimes(1);
});

test("stopping ends the pause", async () => {
  const job = startJob(async () => undefined, 1_000_000);
  await new Promise((resolve) => setImmediate(resolve));
  await job.stop();
});

const HOUR_MS = 3_600_000;

test("a request starts a run immediately, or after the current one", async () => {
  const begun: PromiseWithResolvers<void>[] = [0, 1, 2].map(() => Promise.withResolvers<void>());
  let count = 0;
  let running = 0;
  const work = async (): Promise<void> => {
    running += 1;
    expect(running).toBe(1);
    begun[count]?.resolve();
    count += 1;
    if (count === 2) job.runNow();
    await Promise.resolve();
    running -= 1;
  };
  const job = startJob(work, HOUR_MS);
  await begun[0]?.promise;
  await new Promise((resolve) => setImmediate(resolve));
  job.runNow();
  await begun[2]?.promise;
  await job.stop();
  expect(count).toBe(3);
});

test("stopping aborts the signal of the current run", async () => {
  const begun = Promise.withResolvers<void>();
  const aborted = Promise.withResolvers<void>();
  const job = startJob(async (signal) => {
    signal.addEventListener("abort", () => aborted.resolve());
    begun.resolve();
    await aborted.promise;
  }, HOUR_MS);
  await begun.promise;
  await job.stop();
});
