/** A core for what is measured, and the others for all that measures it, where `taskset` is there to say so. */
import { execFile } from "node:child_process";
import { readFile } from "node:fs/promises";
import { promisify } from "node:util";
import { isOnPath } from "../../../src/local/child-process.ts";

export interface Cores {
  /** What is put before a command, so that it has the core alone. */
  readonly before: readonly string[];
  /** For people. */
  readonly description: string;
  /** From here on this process may be anywhere again. */
  release(): Promise<void>;
}

const TIMEOUT_MS = 5_000;

/** Such as "0-3,6" is written. */
const listed = (list: string): number[] =>
  list
    .trim()
    .split(",")
    .flatMap((range) => {
      const [first = Number.NaN, last = first] = range.split("-").map(Number);
      return Array.from({ length: last - first + 1 }, (_, index) => first + index);
    });

/** Those that this process may use, as Linux writes them; undefined elsewhere. */
const allowedCores = async (): Promise<string | undefined> => {
  const status = await readFile("/proc/self/status", "utf8").catch(() => "");
  return /^Cpus_allowed_list:\s*(\S+)$/m.exec(status)?.[1];
};

/** This process with all of its threads, and what it starts from now on. */
const moveTo = (cores: string) =>
  promisify(execFile)("taskset", ["-a", "-c", "-p", cores, String(process.pid)], { timeout: TIMEOUT_MS });

const NONE: Cores = {
  before: [],
  description: "no core of its own: it takes taskset, and two cores",
  release: async () => undefined,
};

/** Leaves one of the cores, and keeps to the others. */
export const divideCores = async (): Promise<Cores> => {
  const all = await allowedCores();
  const [own, ...others] = all === undefined ? [] : listed(all);
  if (all === undefined || own === undefined || others.length === 0 || !isOnPath("taskset")) return NONE;
  await moveTo(others.join(","));
  return {
    before: ["taskset", "-c", String(own)],
    description: `pinned to core ${own}, all else to ${others.join(", ")}`,
    release: async () => void (await moveTo(all)),
  };
};
