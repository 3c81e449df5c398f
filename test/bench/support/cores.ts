/** One core for the server under test, and the others for everything else, if `taskset` is available. */
import { execFile } from "node:child_process";
import { readFile } from "node:fs/promises";
import { promisify } from "node:util";
import { isOnPath } from "../../../src/local/child-process.ts";
import type { Run } from "./bench.ts";

export interface Cores {
  /** Precedes a command that gets the core to itself. */
  readonly before: readonly string[];
  /** For the report. */
  readonly description: string;
}

const TIMEOUT_MS = 5_000;

/** This process with all of its threads, and every process that it starts from now on. */
const moveTo = (cores: string) =>
  promisify(execFile)("taskset", ["-a", "-c", "-p", cores, String(process.pid)], { timeout: TIMEOUT_MS });

/** The cores of a list such as "0-3,6". */
const listed = (list: string): number[] =>
  list.split(",").flatMap((range) => {
    const [first = Number.NaN, last = first] = range.split("-").map(Number);
    return Array.from({ length: last - first + 1 }, (_, index) => first + index);
  });

export const divideCores = async ({ stops }: Run): Promise<Cores> => {
  const status = await readFile("/proc/self/status", "utf8").catch(() => "");
  const all = /^Cpus_allowed_list:\s*(\S+)$/m.exec(status)?.[1] ?? "";
  const [own, ...others] = listed(all);
  if (others.length === 0 || !isOnPath("taskset")) {
    const description = "no core of its own, for lack of taskset or a second core";
    return { before: [], description };
  }
  await moveTo(others.join(","));
  stops.add(() => moveTo(all));
  return {
    before: ["taskset", "-c", String(own)],
    description: `pinned to core ${own}, all else to ${others.join(", ")}`,
  };
};
