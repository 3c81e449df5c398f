/** Runs one target in a thread of its own, and ends it if an input hangs. */
import { Worker } from "node:worker_threads";
import type { FileCoverage } from "./coverage.ts";
import type { Failure, Outcome } from "./exercise.ts";
import { createHeartbeat, type Heartbeat, heartbeatMemory, MAX_LANES } from "./heartbeat.ts";
import type { WorkerData, WorkerMessage } from "./worker.ts";

export interface Report extends Outcome {
  readonly target: string;
  readonly seconds: number;
}

export interface Run {
  readonly reports: readonly Report[];
  /** Of the targets' parsers; empty if the thread ended early. */
  readonly coverage: readonly FileCoverage[];
}

/** One input may take this long, whatever else the machine does, milliseconds. */
const HANG_MS = 30_000;
const WATCH_INTERVAL_MS = 250;

/** Calls `onHang` if a lane's beat stays the same, in the middle of an input. @returns stops watching */
const watch = (lanes: readonly Heartbeat[], onHang: (lane: Heartbeat) => void): (() => void) => {
  const seen = lanes.map((lane) => ({ lane, beat: lane.beat, sinceMs: performance.now() }));
  const timer = setInterval(() => {
    for (const each of seen) {
      const { beat } = each.lane;
      if (beat !== each.beat || beat % 2 === 0) Object.assign(each, { beat, sinceMs: performance.now() });
      else if (performance.now() - each.sinceMs > HANG_MS) onHang(each.lane);
    }
  }, WATCH_INTERVAL_MS);
  return () => clearInterval(timer);
};

/** @returns the results so far if the thread ends early: the last one is then a failure */
export const runTargets = async (data: Omit<WorkerData, "memory">): Promise<Run> => {
  const memory = heartbeatMemory();
  const lanes = Array.from({ length: MAX_LANES }, (_, lane) => createHeartbeat(memory, lane));
  const workerData: WorkerData = { ...data, memory };
  const worker = new Worker(new URL("worker.ts", import.meta.url), {
    workerData,
    execArgv: ["--conditions=fixture", "--disable-warning=ExperimentalWarning"],
  });
  const { promise: ended, resolve } = Promise.withResolvers<readonly FileCoverage[]>();
  const reports: Report[] = [];
  let current = { target: "", inputs: 0, beganMs: performance.now() };
  const add = (outcome: Outcome): void => {
    const { target, beganMs } = current;
    reports.push({ target, ...outcome, seconds: (performance.now() - beganMs) / 1_000 });
  };
  let isOver = false;
  const end = (coverage: readonly FileCoverage[]): void => {
    isOver = true;
    resolve(coverage);
  };
  /** @param lane @default the first one in the middle of an input */
  const fail = (reason: string, lane = lanes.find(({ beat }) => beat % 2 === 1)): void => {
    if (isOver) return;
    const failure: Failure = { input: lane?.input ?? "", reason, seed: undefined };
    const slowest = { ms: 0, input: "" };
    add({ inputs: current.inputs, failures: [failure], slowest, grownBytes: 0 });
    end([]);
  };
  worker.on("message", (message: WorkerMessage) => {
    if (message.type === "begin") current = { target: message.target, inputs: 0, beganMs: performance.now() };
    else if (message.type === "progress") current.inputs = message.inputs;
    else if (message.type === "outcome") add(message.outcome);
    else end(message.coverage);
  });
  worker.on("error", (error) => fail(`the thread ended: ${error instanceof Error ? error.stack : error}`));
  worker.on("exit", () => fail("the thread exited"));
  const unwatch = watch(lanes, (lane) => fail(`did not end within ${HANG_MS / 1_000} s`, lane));
  try {
    return { reports, coverage: await ended };
  } finally {
    unwatch();
    await worker.terminate();
  }
};
