/** How long a process has been on a processor, as Linux counts it; other systems do not tell it here. */
import { readdir, readFile } from "node:fs/promises";

export interface CpuReading {
  /** Of all its threads that are still there, milliseconds. */
  readonly cpuMs: number;
  /** Of `performance.now()`. */
  readonly atMs: number;
}

const NS_PER_MS = 1_000_000;

/** The first number of its `schedstat`, nanoseconds (Documentation/scheduler/sched-stats.rst); 0 of one that is gone. */
const threadMs = async (folder: string): Promise<number> => {
  const text = await readFile(`${folder}/schedstat`, "utf8").catch(() => "0");
  return Number(text.split(" ")[0]) / NS_PER_MS;
};

/** Undefined where the system does not tell. */
export const readCpuTime = async (pid: number): Promise<CpuReading | undefined> => {
  const tasks = `/proc/${pid}/task`;
  const threads = await readdir(tasks).catch(() => []);
  const times = await Promise.all(threads.map((thread) => threadMs(`${tasks}/${thread}`)));
  const cpuMs = times.reduce((sum, time) => sum + time, 0);
  return cpuMs > 0 ? { cpuMs, atMs: performance.now() } : undefined;
};

/** The share of one core that it had between two readings. */
export const cpuShare = (before: CpuReading, after: CpuReading): number =>
  (after.cpuMs - before.cpuMs) / Math.max(1, after.atMs - before.atMs);
