import { expect, test, vi } from "vitest";
import { logTransitions, startJob } from "../../../src/origin/lifecycle/jobs.ts";
import { createLog } from "../../../src/origin/log/log.ts";

const HOUR_MS = 3_600_000;
const nextTurn = () => new Promise((resolve) => setImmediate(resolve));

test("a job runs again after each run, and runs never overlap", async () => {
  let running = 0;
  let most = 0;
  let runs = 0;
  const job = startJob(async () => {
    runs += 1;
    running += 1;
    most = Math.max(most, running);
    await nextTurn();
    running -= 1;
  }, 0);
  await expect.poll(() => runs).toBeGreaterThan(3);
  await job.stop();
  expect(most).toBe(1);
});

test("a job that waits for its next run stops at once", async () => {
  const work = vi.fn(async () => undefined);
  const job = startJob(work, HOUR_MS);
  await nextTurn();
  await job.stop();
  expect(work).toHaveBeenCalledTimes(1);
});

test("stopping aborts the signal of the current run, waits for its end and starts no other", async () => {
  const run = Promise.withResolvers<void>();
  const aborted = vi.fn();
  const work = vi.fn((signal: AbortSignal) => {
    signal.addEventListener("abort", aborted);
    return run.promise;
  });
  const job = startJob(work, 0);
  const stopped = vi.fn();
  const stopping = job.stop().then(stopped);
  await nextTurn();
  expect(aborted).toHaveBeenCalled();
  expect(stopped).not.toHaveBeenCalled();
  run.resolve();
  await stopping;
  expect(work).toHaveBeenCalledTimes(1);
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
