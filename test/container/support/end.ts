/** The end of a pod, as a cluster brings it about. */
import { setTimeout as pause } from "node:timers/promises";
import { type Load, startLoad } from "./load.ts";
import { type Pod, passes } from "./pod.ts";

export interface End {
  readonly code: number | null;
  /** From SIGTERM on. */
  readonly tookMs: number;
  readonly load: Load;
  /** Whether it said, before it ended, that it wants no more requests. */
  readonly becameUnready: boolean;
}

/** For so long after SIGTERM requests still come: not everybody has heard yet. Below the origin's pre_stop of 5 s. */
const NOT_YET_HEARD_MS = 3_000;

/** Ends it under load; resolves when it has ended. */
export const endUnderLoad = async (pod: Pod, connections: number): Promise<End> => {
  const load = startLoad(pod, connections);
  await load.begun;
  await pod.terminate();
  const fromMs = performance.now();
  const heard = pause(NOT_YET_HEARD_MS).then(() => load.stop());
  let hasEnded = false;
  const exited = pod.exited.then((code) => {
    hasEnded = true;
    return code;
  });
  let becameUnready = false;
  while (!becameUnready && !hasEnded) {
    becameUnready = !(await passes(pod, pod.plan.readiness)) && (await passes(pod, pod.plan.liveness));
    await pause(20);
  }
  await heard;
  const code = await exited;
  return { code, tookMs: performance.now() - fromMs, load, becameUnready };
};
