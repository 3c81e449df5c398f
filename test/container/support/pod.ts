/** A pod of the origin that runs, as a process or in a container, and what the kubelet does with it. */
import { setTimeout as pause } from "node:timers/promises";
import { send } from "../../support/backing.ts";
import type { PodPlan, PodProbe } from "./pod-plan.ts";

export interface Pod {
  readonly plan: PodPlan;
  /** An address of this machine's loopback that no other pod of a test has. */
  readonly host: string;
  readonly startedMs: number;
  /** Sends SIGTERM; resolves when it is sent. */
  terminate(): Promise<void>;
  /** Its exit code, once it has ended. */
  readonly exited: Promise<number | null>;
  /** The most memory that it has had in use so far, bytes; undefined where the system does not say. */
  peakBytes(): Promise<number | undefined>;
  tail(): readonly string[];
  kill(): Promise<void>;
}

/** So that several pods take the same ports at once: on Linux all of 127.0.0.0/8 is the loopback. */
export const freshHost = (): string => {
  const part = (): number => 1 + Math.floor(Math.random() * 254);
  return `127.${part()}.${part()}.${part()}`;
};

const ASK_MS = 20;
/** Migrations among it, on a machine that is busy. */
export const START_MS = 30_000;

/** As the kubelet counts: any answer from 200 to 399 in time. */
export const passes = async ({ host }: Pod, { port, path, timeoutMs }: PodProbe): Promise<boolean> => {
  const late = pause(timeoutMs, false, { ref: false });
  const answered = send(`http://${host}:${port}${path}`).then(
    ({ status }) => status >= 200 && status < 400,
    () => false,
  );
  return await Promise.race([answered, late]);
};

/**
 * Asks until the probe passes, more often than the kubelet would.
 *
 * @throws where it does not in time, with the pod's last words
 */
export const untilPasses = async (pod: Pod, probe: PodProbe, withinMs: number): Promise<void> => {
  const untilMs = performance.now() + withinMs;
  while (!(await passes(pod, probe))) {
    if (performance.now() > untilMs) throw new Error(`${probe.path} never passed:\n${pod.tail().join("\n")}`);
    await pause(ASK_MS);
  }
};

/** What the kubelet does at a start: the startup probe for as long as the manifest lets it, then the others. */
export const untilReady = async (pod: Pod): Promise<void> => {
  const { startup, readiness, liveness } = pod.plan;
  await untilPasses(pod, startup, startup.periodMs * startup.failureThreshold);
  await untilPasses(pod, readiness, START_MS);
  await untilPasses(pod, liveness, START_MS);
};
