/** A running pod of the origin, as a process or in a container, and the kubelet's probes of it. */
import { setTimeout as pause } from "node:timers/promises";
import { type Backing, send } from "../../support/backing.ts";
import { ALONE } from "../../support/origin-process.ts";
import type { PodPlan, PodProbe } from "./pod-plan.ts";

export interface Pod {
  readonly plan: PodPlan;
  /** A loopback address of its own. */
  readonly host: string;
  readonly startedMs: number;
  /** Sends SIGTERM; resolves when it is sent. */
  terminate(): Promise<void>;
  /** Resolves with its exit code. */
  readonly exited: Promise<number | null>;
  /** Its peak memory so far, bytes; undefined if the system does not report it. */
  peakBytes(): Promise<number | undefined>;
  tail(): readonly string[];
  kill(): Promise<void>;
}

/** The manifest's environment, with the Secrets' values and the address of the test. */
export const testEnvironment = (
  { environment }: PodPlan,
  backing: Backing,
  host: string,
): Record<string, string> => ({
  ...environment,
  SIGNING_KEYS: ALONE.SIGNING_KEYS,
  ...backing.environment,
  HOST: host,
});

/** Several pods use the same ports at once: on Linux all of 127.0.0.0/8 is loopback. */
export const freshHost = (): string => {
  const part = (): number => 1 + Math.floor(Math.random() * 254);
  return `127.${part()}.${part()}.${part()}`;
};

const POLL_MS = 20;
/** Includes migrations on a busy machine. */
export const START_MS = 30_000;

/** Like the kubelet: any status from 200 to 399 in time. */
export const passes = async ({ host }: Pod, { port, path, timeoutMs }: PodProbe): Promise<boolean> => {
  const late = pause(timeoutMs, false, { ref: false });
  const answered = send(`http://${host}:${port}${path}`).then(
    ({ status }) => status >= 200 && status < 400,
    () => false,
  );
  return await Promise.race([answered, late]);
};

/** Polls until the probe passes. @throws Error with the pod's last output if it does not in time */
export const untilPasses = async (pod: Pod, probe: PodProbe, withinMs: number): Promise<void> => {
  const untilMs = performance.now() + withinMs;
  while (!(await passes(pod, probe))) {
    if (performance.now() > untilMs) throw new Error(`${probe.path} never passed:\n${pod.tail().join("\n")}`);
    await pause(POLL_MS);
  }
};

/** Like the kubelet: the startup probe for as long as the manifest allows, then the others. */
export const untilReady = async (pod: Pod): Promise<void> => {
  const { startup, readiness, liveness } = pod.plan;
  await untilPasses(pod, startup, startup.periodMs * startup.failureThreshold);
  await untilPasses(pod, readiness, START_MS);
  await untilPasses(pod, liveness, START_MS);
};
