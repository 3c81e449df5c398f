import { expect, test, vi } from "vitest";
import { logTransitions, startJob } from "../../../src/origin/lifecycle/jobs.ts";
import { createLog } from "../../../src/origin/log/log.ts";

test("a job runs again after each run, and runs never overlap", async () => {
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

test("a failure is logged when it begins and when it ends, not each time", () => {
  const log = createLog("silent");
  const messages: string[] = [];
  vi.spyOn(log, "warn").mockImplementation((_, message) => void messages.push(String(message)));
  vi.spyOn(log, "info").mockImplementation((message) => void messages.push(String(message)));
  const transitions = logTransitions("security events", "delivered", log);
  transitions.succeeded();
  transitions.failed(new Error("connection refused"));
  transitions.failed(new Error("connection refused"));
  transitions.succeeded();
  transitions.succeeded();
  expect(messages).toEqual(["security events cannot be delivered", "security events are delivered again"]);
});
