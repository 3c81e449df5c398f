/** The thread in which targets run, one after the other: another thread watches its heartbeat. */
import { parentPort, workerData } from "node:worker_threads";
import * as z from "zod/mini";
import { type FileCoverage, startCoverage } from "./coverage.ts";
import type { Outcome } from "./exercise.ts";
import { createHeartbeat } from "./heartbeat.ts";

const data = z.object({
  jobs: z.array(z.object({ target: z.string(), inputs: z.number() })),
  seed: z.number(),
  services: z.object({
    origin: z.exactOptional(z.object({ url: z.string(), environment: z.record(z.string(), z.string()) })),
  }),
  memory: z.instanceof(SharedArrayBuffer),
});

export type WorkerData = z.output<typeof data>;

export type WorkerMessage =
  | { readonly type: "begin"; readonly target: string }
  | { readonly type: "progress"; readonly inputs: number }
  | { readonly type: "outcome"; readonly outcome: Outcome }
  | { readonly type: "end"; readonly coverage: readonly FileCoverage[] };

const { jobs, seed, services, memory } = data.parse(workerData);
const post = (message: WorkerMessage): void => parentPort?.postMessage(message);

// Before anything of the product is imported.
const coverage = await startCoverage();
const { findTarget } = await import("./targets/index.ts");
const { exercise } = await import("./exercise.ts");
const files: string[] = [];
for (const { target: name, inputs } of jobs) {
  post({ type: "begin", target: name });
  const target = await findTarget(name);
  const outcome = await target.open((opened) =>
    exercise(
      opened,
      { inputs, seed, services },
      (lane) => createHeartbeat(memory, lane),
      (done) => post({ type: "progress", inputs: done }),
    ),
  );
  files.push(...target.files);
  post({ type: "outcome", outcome });
}
post({ type: "end", coverage: await coverage.take([...new Set(files)]) });
