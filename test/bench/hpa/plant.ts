/**
 * Pods of the origin as a load meets them, a second at a time. Shares and ratios are measured; the processor time of a request
 * only scales the load, which the shapes give relative to a pod's capacity.
 */
import type { PodView, ResourceName } from "./controller.ts";

/** `bench origin`, `bench overload` and `test:image`, with the figures of docs/performance.md. */
export const PLANT = {
  /** A mix of 80 % cached reads, 15 % of one SELECT and 5 % orders takes this on a core of a cloud machine. */
  cpuMsPerRequest: 0.16,
  /** One JavaScript thread, and garbage collection beside it. */
  maxCores: 1.05,
  /** Share of the capacity that is served under any overload (`goodput_at_2x`). */
  goodput: 0.97,
  /** A rejected request takes this share of the processor time of one that is served. */
  shedCost: 0.1,
  idleCores: 0.02,
  /** Mean, with little load. */
  latencyMs: 6,
  p99ToMean: 3,
  /** p99 at saturation, relative to little load: the adaptive limit holds it (`accepted_p99_vs_half_load`). */
  saturatedLatency: 1.4,
  /** The adaptive limit at saturation (column `limit` of `bench overload`: 21 to 31). */
  inFlightLimit: 24,
  /** Scheduling, start and first probe, with the image on the node. */
  pendingS: 2,
  startS: 6,
  /** Cores in the first seconds of a process. */
  startCores: 1,
  startCpuS: 2,
  /** preStop and drain, without requests. */
  terminationS: 20,
  /** Of the memory request: after the start, and what a heap keeps after a peak. */
  idleMemory: 0.45,
  peakMemory: 0.75,
};

export const CAPACITY_PER_S = (PLANT.maxCores * 1_000) / PLANT.cpuMsPerRequest;

const REQUESTS: Readonly<Record<ResourceName, number>> = { cpu: 1, memory: 512 * 1024 ** 2 };

export interface Pod {
  readonly name: string;
  readonly createdAtS: number;
  deletedAtS: number | undefined;
  /** Largest share of the capacity so far. */
  peak: number;
  cores: number;
  inFlight: number;
  p99Ms: number;
  servedPerS: number;
  shedPerS: number;
}

export const createPod = (name: string, createdAtS: number): Pod => ({
  name,
  createdAtS,
  deletedAtS: undefined,
  peak: 0,
  cores: 0,
  inFlight: 0,
  p99Ms: Number.NaN,
  servedPerS: 0,
  shedPerS: 0,
});

const startedAtS = ({ createdAtS }: Pod): number => createdAtS + PLANT.pendingS;
const readyAtS = (pod: Pod): number => startedAtS(pod) + PLANT.startS;

export const isReady = (pod: Pod, nowS: number): boolean =>
  pod.deletedAtS === undefined && nowS >= readyAtS(pod);

export const isGone = ({ deletedAtS }: Pod, nowS: number): boolean =>
  deletedAtS !== undefined && nowS >= deletedAtS + PLANT.terminationS;

/** As the control loop sees it. */
export const viewOf = (pod: Pod, nowS: number): PodView => ({
  name: pod.name,
  phase: nowS < startedAtS(pod) ? "Pending" : "Running",
  isDeleted: pod.deletedAtS !== undefined,
  isReady: nowS >= readyAtS(pod),
  startedAtS: startedAtS(pod),
  readyChangedAtS: nowS >= readyAtS(pod) ? readyAtS(pod) : startedAtS(pod),
  requests: REQUESTS,
});

/** Bytes. */
export const memoryOf = ({ peak }: Pod): number =>
  REQUESTS.memory * (PLANT.idleMemory + (PLANT.peakMemory - PLANT.idleMemory) * Math.min(1, peak));

/** @param dependencyMs what a slow database adds to each request */
export const runPod = (pod: Pod, loadPerS: number, dependencyMs: number, nowS: number): void => {
  if (!isReady(pod, nowS)) {
    const isStarting = pod.deletedAtS === undefined && nowS >= startedAtS(pod);
    pod.cores = isStarting && nowS < startedAtS(pod) + PLANT.startCpuS ? PLANT.startCores : 0;
    pod.inFlight = 0;
    pod.servedPerS = 0;
    pod.shedPerS = 0;
    pod.p99Ms = Number.NaN;
    return;
  }
  const share = loadPerS / CAPACITY_PER_S;
  const isSaturated = share > PLANT.goodput;
  pod.servedPerS = isSaturated ? CAPACITY_PER_S * PLANT.goodput : loadPerS;
  pod.shedPerS = loadPerS - pod.servedPerS;
  const worked = pod.servedPerS + pod.shedPerS * PLANT.shedCost;
  pod.cores = Math.min(PLANT.maxCores, PLANT.idleCores + (worked * PLANT.cpuMsPerRequest) / 1_000);
  const stretch = 1 + (PLANT.saturatedLatency - 1) * Math.min(1, share) ** 4;
  const meanMs = PLANT.latencyMs * stretch + dependencyMs;
  pod.inFlight = isSaturated ? PLANT.inFlightLimit : (pod.servedPerS * meanMs) / 1_000;
  pod.p99Ms = meanMs * PLANT.p99ToMean;
  pod.peak = Math.max(pod.peak, share);
};
