/** The processor time of the machine and of a process, if the system reports it. */
import { readdir, readFile } from "node:fs/promises";
import { cpus } from "node:os";

const times = (): { idle: number; all: number } => {
  let idle = 0;
  let all = 0;
  for (const cpu of cpus()) {
    idle += cpu.times.idle;
    for (const time of Object.values(cpu.times)) all += time;
  }
  return { idle, all };
};

/** @returns a function that returns the idle share of the machine since this call, from 0 to 1 */
export const watchIdle = (): (() => number) => {
  const before = times();
  return () => {
    const { idle, all } = times();
    return (idle - before.idle) / Math.max(1, all - before.all);
  };
};

/** For the report. With little idle time, the figures are those of the machine. */
export const machineLine = (idleShare?: number): string => {
  const machine = `Node ${process.version} on ${cpus().length} × ${cpus()[0]?.model ?? "an unknown processor"}`;
  return idleShare === undefined ? machine : `${machine}; ${(100 * idleShare).toFixed(0)} % of it was idle`;
};

export interface CpuReading {
  /** CPU time of all its running threads, milliseconds. */
  readonly cpuMs: number;
  /** `performance.now()` at the reading. */
  readonly atMs: number;
}

const NS_PER_MS = 1_000_000;

/** The first number of `schedstat`, nanoseconds (Linux, Documentation/scheduler/sched-stats.rst); 0 after the thread's end. */
const threadMs = async (folder: string): Promise<number> => {
  const text = await readFile(`${folder}/schedstat`, "utf8").catch(() => "0");
  return Number(text.split(" ")[0]) / NS_PER_MS;
};

/** The processor time of a process; undefined on systems other than Linux. */
export const readCpuTime = async (pid: number): Promise<CpuReading | undefined> => {
  const tasks = `/proc/${pid}/task`;
  const threads = await readdir(tasks).catch(() => []);
  const threadTimes = await Promise.all(threads.map((thread) => threadMs(`${tasks}/${thread}`)));
  const cpuMs = threadTimes.reduce((sum, time) => sum + time, 0);
  return cpuMs > 0 ? { cpuMs, atMs: performance.now() } : undefined;
};

/** The share of one core between two readings. */
export const cpuShare = (before: CpuReading, after: CpuReading): number =>
  (after.cpuMs - before.cpuMs) / Math.max(1, after.atMs - before.atMs);
