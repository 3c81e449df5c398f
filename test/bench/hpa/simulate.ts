/** An autoscaler, a Deployment and its pods under a load, a second at a time. */
import {
  type AutoscalerSpec,
  createController,
  type MetricSpec,
  type Sample,
  type Samples,
} from "./controller.ts";
import type { Shape } from "./loads.ts";
import { CAPACITY_PER_S, createPod, isGone, isReady, memoryOf, type Pod, runPod, viewOf } from "./plant.ts";

/** kube-controller-manager's default, and those of metrics-server, Prometheus and its rules. */
const SYNC_S = 15;
const CPU_WINDOW_S = 15;
const SCRAPE_S = 15;
/** Metrics are this old when they can be read, on average. */
const CPU_AGE_S = 10;
const RECORDED_AGE_S = 15;
/** A flap: so many pods, up and down or down and up, with less time between. */
const SWING_PODS = 2;
const FLAP_S = 900;
const TARGET_SHARE = 0.7;

export interface Second {
  readonly atS: number;
  /** In pods' capacities. */
  readonly load: number;
  readonly replicas: number;
  readonly ready: number;
  readonly shedShare: number;
  /** Of the pods' requests. */
  readonly cpu: number;
  readonly p99Ms: number;
}

export interface Outcome {
  readonly seconds: readonly Second[];
  /** Time during which the load was above the capacity of all ready pods. */
  readonly overloadedS: number;
  /** Of all requests. */
  readonly shedShare: number;
  readonly podHours: number;
  /** Of pods that follow the load at once, at 70 % of their capacity. */
  readonly idealPodHours: number;
  readonly flaps: number;
  readonly most: number;
  readonly last: number;
  /** By the metric's index: seconds in which its proposal was the highest one, and above the present number. */
  readonly drivenS: readonly number[];
}

const mean = (values: readonly number[]): number =>
  values.length === 0 ? Number.NaN : values.reduce((sum, value) => sum + value, 0) / values.length;

/** What Prometheus has recorded of a pod. */
interface History {
  readonly cores: number[];
  readonly inFlight: number[];
  readonly p99Ms: number[];
  readonly demand: number[];
}

/** The recording rules (container/rules/recorded.yaml). The API counts in thousandths. */
const RECORDED: Readonly<
  Record<string, { readonly series: keyof History; readonly windowS: number; readonly milli: number }>
> = {
  active_connections: { series: "inFlight", windowS: 1, milli: 1_000 },
  http_request_duration_p99: { series: "p99Ms", windowS: 120, milli: 1 },
  origin_demand_cores: { series: "demand", windowS: 60, milli: 1_000 },
};

/** The last values before an age, seconds. */
const past = (values: readonly number[], windowS: number, ageS: number): number[] =>
  values.slice(Math.max(0, values.length - ageS - windowS), values.length - ageS || undefined);

interface Extreme {
  replicas: number;
  reachedAtS: number;
  leftAtS: number;
}

/** The numbers of pods at which their movement turned, and where it began and ended. */
const extremesOf = (seconds: readonly Second[]): readonly Extreme[] => {
  const extremes: Extreme[] = [];
  let isUp: boolean | undefined;
  for (const { atS, replicas } of seconds) {
    const last = extremes.at(-1);
    if (last === undefined) extremes.push({ replicas, reachedAtS: atS, leftAtS: atS });
    else if (replicas === last.replicas) last.leftAtS = atS;
    else if (isUp === replicas > last.replicas)
      Object.assign(last, { replicas, reachedAtS: atS, leftAtS: atS });
    else {
      isUp = replicas > last.replicas;
      extremes.push({ replicas, reachedAtS: atS, leftAtS: atS });
    }
  }
  return extremes;
};

/** Movements of at least two pods that are taken back soon; a single pod more or less is no swing. */
const flapsOf = (seconds: readonly Second[]): number => {
  const extremes = extremesOf(seconds);
  const isSwing = (one: Extreme | undefined, other: Extreme | undefined): boolean =>
    one !== undefined && other !== undefined && Math.abs(one.replicas - other.replicas) >= SWING_PODS;
  return extremes.filter(
    (extreme, index) =>
      extreme.leftAtS - extreme.reachedAtS < FLAP_S &&
      isSwing(extremes[index - 1], extreme) &&
      isSwing(extreme, extremes[index + 1]),
  ).length;
};

export const simulate = (
  spec: AutoscalerSpec,
  { load, dependencyMs = () => 0, durationS }: Shape,
): Outcome => {
  const controller = createController(spec);
  const histories = new Map<string, History>();
  const seconds: Second[] = [];
  const drivenS = spec.metrics.map(() => 0);
  let pods: Pod[] = [];
  let created = 0;
  let replicas = spec.minReplicas;
  let shed = 0;
  let offered = 0;
  let podSeconds = 0;
  let overloadedS = 0;
  let idealPodSeconds = 0;

  const scale = (nowS: number): void => {
    pods = pods.filter((pod) => !isGone(pod, nowS));
    const live = pods.filter(({ deletedAtS }) => deletedAtS === undefined);
    for (let n = live.length; n < replicas; n += 1) {
      pods.push(createPod(`pod-${created}`, nowS));
      created += 1;
    }
    // The youngest first, as the ReplicaSet does.
    for (const pod of live.toReversed().slice(0, Math.max(0, live.length - replicas))) pod.deletedAtS = nowS;
  };

  const sampleOf = (pod: Pod, metric: Exclude<MetricSpec, { kind: "external" }>, nowS: number) => {
    const history = histories.get(pod.name);
    if (history === undefined) return undefined;
    if (metric.kind === "resource") {
      const cores = past(history.cores, CPU_WINDOW_S, CPU_AGE_S);
      if (cores.length < CPU_WINDOW_S) return undefined;
      const value = metric.name === "cpu" ? mean(cores) : memoryOf(pod);
      return { value, atS: nowS - CPU_AGE_S, windowS: CPU_WINDOW_S };
    }
    const rule = RECORDED[metric.name];
    if (rule === undefined) return undefined;
    const values = past(history[rule.series], rule.windowS, RECORDED_AGE_S);
    const value = mean(values.filter((each) => !Number.isNaN(each))) * rule.milli;
    if (Number.isNaN(value)) return undefined;
    return { value, atS: nowS - RECORDED_AGE_S, windowS: SCRAPE_S };
  };

  const observe =
    (nowS: number) =>
    (metric: MetricSpec): Samples | number | undefined => {
      const live = pods.filter(({ deletedAtS }) => deletedAtS === undefined);
      if (metric.kind === "external") {
        const name = metric.name;
        const values = live.map(
          (pod) => sampleOf(pod, { kind: "pods", name, averageValue: 1 }, nowS)?.value ?? 0,
        );
        return values.reduce((sum, value) => sum + value, 0);
      }
      const samples = new Map<string, Sample>();
      for (const pod of live) {
        const sample = sampleOf(pod, metric, nowS);
        if (sample !== undefined) samples.set(pod.name, sample);
      }
      return samples;
    };

  for (let nowS = -300; nowS < durationS; nowS += 1) {
    if (nowS % SYNC_S === 0 && nowS > -300) {
      const view = { nowS, replicas, pods: pods.map((pod) => viewOf(pod, nowS)) };
      const decision = controller.sync(replicas, view, observe(nowS));
      const highest = Math.max(...decision.proposals.map((proposal) => proposal ?? 0));
      for (const [index, proposal] of decision.proposals.entries())
        if (nowS >= 0 && proposal === highest && highest > replicas)
          drivenS[index] = (drivenS[index] ?? 0) + SYNC_S;
      replicas = decision.replicas;
    }
    scale(nowS);
    const ready = pods.filter((pod) => isReady(pod, nowS));
    const demand = load(Math.max(0, nowS));
    for (const pod of pods) {
      const share = isReady(pod, nowS) ? (demand * CAPACITY_PER_S) / ready.length : 0;
      runPod(pod, share, dependencyMs(nowS), nowS);
      const history = histories.get(pod.name) ?? { cores: [], inFlight: [], p99Ms: [], demand: [] };
      histories.set(pod.name, history);
      history.cores.push(pod.cores);
      history.inFlight.push(pod.inFlight);
      history.p99Ms.push(pod.p99Ms);
      const answered = pod.servedPerS + pod.shedPerS;
      history.demand.push(answered === 0 ? 0 : (pod.cores * answered) / pod.servedPerS);
    }
    if (nowS < 0) continue;
    const shedPerS =
      pods.reduce((sum, pod) => sum + pod.shedPerS, 0) + (ready.length === 0 ? demand * CAPACITY_PER_S : 0);
    shed += shedPerS;
    offered += demand * CAPACITY_PER_S;
    podSeconds += pods.length;
    idealPodSeconds += Math.max(spec.minReplicas, Math.ceil(demand / TARGET_SHARE));
    if (demand > ready.length) overloadedS += 1;
    const cpu = mean(ready.map(({ cores }) => cores));
    const p99Ms = Math.max(...ready.map((pod) => pod.p99Ms));
    const shedShare = shedPerS / (demand * CAPACITY_PER_S);
    seconds.push({ atS: nowS, load: demand, replicas, ready: ready.length, shedShare, cpu, p99Ms });
  }
  return {
    seconds,
    overloadedS,
    shedShare: shed / offered,
    podHours: podSeconds / 3_600,
    idealPodHours: idealPodSeconds / 3_600,
    flaps: flapsOf(seconds),
    most: Math.max(...seconds.map((second) => second.replicas)),
    last: seconds.at(-1)?.replicas ?? 0,
    drivenS,
  };
};
