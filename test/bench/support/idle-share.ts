/** How much of the machine nobody used: where there is little of it, the machine was measured. */
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

/** @returns tells the share since this call, within 0 and 1 */
export const watchIdle = (): (() => number) => {
  const before = times();
  return () => {
    const { idle, all } = times();
    return (idle - before.idle) / Math.max(1, all - before.all);
  };
};
