/** How much processor time the Worker's start-up takes on this machine; Cloudflare allows 1 s. */
import { execFile } from "node:child_process";
import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { promisify } from "node:util";
import * as z from "zod";
import { projectFolder } from "../../../src/local/state-dir.ts";

const TIMEOUT_MS = 120_000;
const US_PER_MS = 1_000;
/** What the profiler calls the time in which no script runs. */
const NOT_RUNNING: readonly string[] = ["(idle)", "(program)"];

/** A CPU profile (Chrome DevTools Protocol, `Profiler.Profile`). */
const profileSchema = z.object({
  nodes: z.array(z.object({ id: z.number(), callFrame: z.object({ functionName: z.string() }) })),
  /** Ids of nodes. */
  samples: z.array(z.number()),
  /** Microseconds. */
  timeDeltas: z.array(z.number()),
});

/** @param folder receives the profile @returns milliseconds */
export const startupMs = async (folder: string, signal: AbortSignal): Promise<number> => {
  const wrangler = join(projectFolder, "node_modules/wrangler/bin/wrangler.js");
  const outfile = join(folder, "startup.cpuprofile");
  await promisify(execFile)(
    process.execPath,
    [wrangler, "check", "startup", "--args=--env production", "--outfile", outfile],
    { cwd: projectFolder, signal, timeout: TIMEOUT_MS },
  );
  const { nodes, samples, timeDeltas } = profileSchema.parse(JSON.parse(await readFile(outfile, "utf8")));
  const running = new Set(
    nodes.flatMap(({ id, callFrame }) => (NOT_RUNNING.includes(callFrame.functionName) ? [] : [id])),
  );
  const us = samples.reduce((sum, id, at) => sum + (running.has(id) ? (timeDeltas[at] ?? 0) : 0), 0);
  return us / US_PER_MS;
};
