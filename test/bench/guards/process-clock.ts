/** The processor time of a server between two of its rests, exact to fractions of a microsecond. Linux only. */
import { closeSync, openSync, readdirSync, readSync } from "node:fs";
import { LocalError } from "../../../src/local/local-error.ts";
import type { Run } from "../support/bench.ts";

export interface ProcessClock {
  /** Resolves once all threads sleep, with the time that they have taken so far, microseconds. */
  atRest(): Promise<number>;
}

const NS_PER_US = 1_000;
const BUFFER = Buffer.alloc(512);

const readText = (file: number): string =>
  BUFFER.toString("latin1", 0, readSync(file, BUFFER, 0, BUFFER.length, 0));

/** The state follows the name, which is in parentheses (proc_pid_stat(5)). */
const isAsleep = (stat: string): boolean => stat[stat.lastIndexOf(")") + 2] === "S";

/**
 * A thread's time in `schedstat` is that of its last rest, so it is read only while the thread sleeps.
 *
 * @param pid of a process that starts no threads later
 * @throws LocalError on another system than Linux
 */
export const openProcessClock = (pid: number, { stops }: Run): ProcessClock => {
  const tasks = `/proc/${pid}/task`;
  if (process.platform !== "linux") throw new LocalError("this benchmark needs Linux's /proc");
  const open = (path: string): number => {
    const file = openSync(path, "r");
    stops.add(async () => closeSync(file));
    return file;
  };
  const threads = readdirSync(tasks).map((thread) => ({
    stat: open(`${tasks}/${thread}/stat`),
    schedstat: open(`${tasks}/${thread}/schedstat`),
  }));
  return {
    atRest: async () => {
      while (!threads.every(({ stat }) => isAsleep(readText(stat))))
        await new Promise((resolve) => setImmediate(resolve));
      const ns = threads.reduce((sum, { schedstat }) => sum + Number(readText(schedstat).split(" ")[0]), 0);
      return ns / NS_PER_US;
    },
  };
};
