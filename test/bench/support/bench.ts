/** A benchmark's options and results. */
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { CleanupStack } from "../../../src/local/cleanup-stack.ts";
import type { Figures } from "./comparison.ts";

/** The environment of everything that a benchmark starts. */
export interface Run {
  /** Aborted when the user interrupts. */
  readonly signal: AbortSignal;
  /** Run at the end, however the benchmark ends. */
  readonly stops: CleanupStack;
}

export interface BenchOptions extends Run {
  /** Few and short rounds, for a smoke test. */
  readonly isQuick: boolean;
  /** The cell to profile instead of measuring; undefined to measure. */
  readonly profiled: string | undefined;
  /** Receives progress, a line at a time. */
  readonly onProgress: (line: string) => void;
}

export interface BenchOutcome {
  readonly figures: Figures;
  /** All measurements, for people. */
  readonly report: string;
}

export type Bench = (options: BenchOptions) => Promise<BenchOutcome>;

/** An empty folder that is removed at the end. */
export const createFolder = async ({ stops }: Run): Promise<string> => {
  const folder = await mkdtemp(join(tmpdir(), "breakwater-bench-"));
  stops.add(() => rm(folder, { recursive: true, force: true }));
  return folder;
};
