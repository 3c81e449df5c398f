/** The end of an origin without a last word, as by the kernel when memory runs out. */
import * as z from "zod/mini";
import type { ChildExit } from "../../src/local/child.ts";
import type { LocalOrigin } from "../../src/local/origin.ts";
import type { System } from "./system.ts";

const listening = z.object({ message: z.literal("listening"), port: z.number(), pid: z.number() });

/** The process is found by what it has logged; an origin serves in one process. */
const pidOf = ({ logLines }: System, { url }: LocalOrigin): number => {
  const port = Number(new URL(url).port);
  for (const line of logLines) {
    const entry = line.startsWith("{") ? listening.safeParse(JSON.parse(line)) : undefined;
    if (entry?.success && entry.data.port === port) return entry.data.pid;
  }
  throw new Error(`no process has said that it listens on ${url}`);
};

/** Resolves when it is gone; to stop it afterwards does no harm. */
export const killOrigin = async (system: System, origin: LocalOrigin): Promise<ChildExit> => {
  process.kill(pidOf(system, origin), "SIGKILL");
  return await origin.exited;
};
