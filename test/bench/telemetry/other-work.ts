/** How much of the machine others have meanwhile: what is measured then is them. */
import { readdir, readFile } from "node:fs/promises";
import { cpus } from "node:os";
import { readCpuTime } from "../support/cpu-time.ts";

/** Each process' parent, where the system tells (proc_pid_stat(5)). */
const parents = async (): Promise<ReadonlyMap<number, number>> => {
  const names = await readdir("/proc").catch(() => []);
  const pairs = names
    .filter((name) => /^\d+$/.test(name))
    .map(async (name): Promise<[number, number]> => {
      const text = await readFile(`/proc/${name}/stat`, "utf8").catch(() => "");
      // Behind the command's name, which may have anything in it.
      const [, parent = "0"] = text.slice(text.lastIndexOf(")") + 2).split(" ");
      return [Number(name), Number(parent)];
    });
  return new Map(await Promise.all(pairs));
};

/** This process, and all that it has started. */
const ownProcesses = async (): Promise<readonly number[]> => {
  const known = await parents();
  const isOwn = (pid: number | undefined): boolean =>
    pid !== undefined && pid > 1 && (pid === process.pid || isOwn(known.get(pid)));
  return [...known.keys()].filter(isOwn);
};

const ownMs = async (pids: readonly number[]): Promise<number> => {
  const readings = await Promise.all(pids.map(readCpuTime));
  return readings.reduce((sum, reading) => sum + (reading?.cpuMs ?? 0), 0);
};

const busyMs = (): number =>
  cpus().reduce((sum, { times }) => sum + times.user + times.nice + times.sys + times.irq, 0);

/**
 * @returns tells the share of all cores that others have had since, within 0 and 1; undefined where the system does not
 *   tell. Whatever is begun or ended meanwhile counts as others'.
 */
export const watchOthers = async (): Promise<() => Promise<number | undefined>> => {
  const pids = await ownProcesses();
  const before = { atMs: performance.now(), busy: busyMs(), own: await ownMs(pids) };
  return async () => {
    if (pids.length === 0) return undefined;
    const wholeMs = cpus().length * (performance.now() - before.atMs);
    const others = busyMs() - before.busy - ((await ownMs(pids)) - before.own);
    return Math.min(1, Math.max(0, others / Math.max(1, wholeMs)));
  };
};
