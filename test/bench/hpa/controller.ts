/**
 * The HorizontalPodAutoscaler's control loop: replicas per metric, missing and unready pods, tolerance, stabilization windows
 * and policies. After "Algorithm details" of the Kubernetes documentation ("Horizontal Pod Autoscaling") and
 * pkg/controller/podautoscaler (replica_calculator.go, horizontal.go) of Kubernetes at commit 00067268967e. Times are in
 * seconds, CPU in cores, memory in bytes.
 */
export interface PodView {
  readonly name: string;
  readonly phase: "Pending" | "Running" | "Failed";
  readonly isDeleted: boolean;
  readonly isReady: boolean;
  readonly startedAtS: number;
  /** The last change of the condition Ready. */
  readonly readyChangedAtS: number;
  /** The sum over its containers. */
  readonly requests: Readonly<Record<ResourceName, number>>;
}

export type ResourceName = "cpu" | "memory";

export interface Sample {
  readonly value: number;
  readonly atS: number;
  /** The time over which it was averaged. */
  readonly windowS: number;
}

/** By pod. */
export type Samples = ReadonlyMap<string, Sample>;

export type MetricSpec =
  | { readonly kind: "resource"; readonly name: ResourceName; readonly averageUtilization: number }
  | { readonly kind: "pods"; readonly name: string; readonly averageValue: number }
  | { readonly kind: "external"; readonly name: string; readonly averageValue: number };

export interface Policy {
  readonly type: "Percent" | "Pods";
  readonly value: number;
  readonly periodSeconds: number;
}

export interface ScalingRules {
  readonly stabilizationWindowSeconds: number;
  readonly selectPolicy: "Max" | "Min" | "Disabled";
  readonly policies: readonly Policy[];
}

export interface AutoscalerSpec {
  readonly minReplicas: number;
  readonly maxReplicas: number;
  readonly metrics: readonly MetricSpec[];
  readonly scaleUp: ScalingRules;
  readonly scaleDown: ScalingRules;
}

/** Flags of kube-controller-manager, with their defaults. */
export const DEFAULTS = { tolerance: 0.1, cpuInitializationPeriodS: 300, initialReadinessDelayS: 30 };

/** What one metric says: per pod, or in sum for an external one; undefined if it cannot be read. */
export type Observe = (metric: MetricSpec) => Samples | number | undefined;

export interface View {
  readonly nowS: number;
  /** Of the Deployment's status. */
  readonly replicas: number;
  readonly pods: readonly PodView[];
}

type Flags = typeof DEFAULTS;

interface Groups {
  /** Their metrics count as 0 on the way up, and not at all on the way down. */
  readonly unready: readonly PodView[];
  readonly missing: readonly PodView[];
  readonly ready: readonly PodView[];
}

const isUnready = (pod: PodView, { atS, windowS }: Sample, nowS: number, flags: Flags): boolean => {
  if (pod.startedAtS + flags.cpuInitializationPeriodS > nowS)
    return !pod.isReady || atS < pod.readyChangedAtS + windowS;
  return !pod.isReady && pod.startedAtS + flags.initialReadinessDelayS > pod.readyChangedAtS;
};

const groupPods = ({ pods, nowS }: View, samples: Samples, isCpu: boolean, flags: Flags): Groups => {
  const groups = { unready: [] as PodView[], missing: [] as PodView[], ready: [] as PodView[] };
  for (const pod of pods) {
    if (pod.isDeleted || pod.phase === "Failed") continue;
    const sample = samples.get(pod.name);
    if (pod.phase === "Pending") groups.unready.push(pod);
    else if (sample === undefined) groups.missing.push(pod);
    else if (isCpu && isUnready(pod, sample, nowS, flags)) groups.unready.push(pod);
    else groups.ready.push(pod);
  }
  return groups;
};

const isWithin = (ratio: number, { tolerance }: Flags): boolean =>
  ratio >= 1 - tolerance && ratio <= 1 + tolerance;

const sum = (values: Iterable<number>): number => {
  let total = 0;
  for (const value of values) total += value;
  return total;
};

/** A metric of pods, by pod: its usage relative to the target, and what a pod without a metric counts as. */
interface PerPod {
  readonly ratioOf: (values: ReadonlyMap<string, number>) => number;
  readonly assumedIdle: (pod: PodView) => number;
}

const perPodRule = (metric: Exclude<MetricSpec, { kind: "external" }>, { pods }: View): PerPod => {
  if (metric.kind === "pods")
    return {
      ratioOf: (values) => Math.floor(sum(values.values()) / values.size) / metric.averageValue,
      assumedIdle: () => metric.averageValue,
    };
  const { name, averageUtilization: target } = metric;
  const requests = new Map(pods.map((pod) => [pod.name, pod.requests[name]]));
  return {
    ratioOf: (values) => {
      const requested = sum([...values.keys()].map((pod) => requests.get(pod) ?? 0));
      // An integer, as in the API.
      return Math.trunc((sum(values.values()) * 100) / requested) / target;
    },
    assumedIdle: (pod) => (pod.requests[name] * Math.max(100, target)) / 100,
  };
};

const perPodReplicas = (
  metric: Exclude<MetricSpec, { kind: "external" }>,
  samples: Samples,
  view: View,
  flags: Flags,
): number | undefined => {
  const isCpu = metric.kind === "resource" && metric.name === "cpu";
  const { ready, unready, missing } = groupPods(view, samples, isCpu, flags);
  const { ratioOf, assumedIdle } = perPodRule(metric, view);
  const values = new Map(ready.map(({ name }) => [name, samples.get(name)?.value ?? 0]));
  if (values.size === 0) return undefined;
  const ratio = ratioOf(values);
  const countsUnready = unready.length > 0 && ratio > 1;
  if (!countsUnready && missing.length === 0)
    return isWithin(ratio, flags) ? view.replicas : Math.ceil(ratio * ready.length);
  if (ratio !== 1) for (const pod of missing) values.set(pod.name, ratio < 1 ? assumedIdle(pod) : 0);
  if (countsUnready) for (const { name } of unready) values.set(name, 0);
  const corrected = ratioOf(values);
  if (isWithin(corrected, flags) || (ratio < 1 && corrected > 1) || (ratio > 1 && corrected < 1))
    return view.replicas;
  const replicas = Math.ceil(corrected * values.size);
  const isOpposite =
    (corrected < 1 && replicas > view.replicas) || (corrected > 1 && replicas < view.replicas);
  return isOpposite ? view.replicas : replicas;
};

/** @returns the replicas that a metric proposes; undefined if it cannot be read */
export const proposedReplicas = (
  metric: MetricSpec,
  observed: Samples | number | undefined,
  view: View,
  flags: Flags = DEFAULTS,
): number | undefined => {
  if (metric.kind !== "external")
    return typeof observed === "object" ? perPodReplicas(metric, observed, view, flags) : undefined;
  if (typeof observed !== "number") return undefined;
  const ratio = observed / (metric.averageValue * view.replicas);
  return isWithin(ratio, flags) ? view.replicas : Math.ceil(observed / metric.averageValue);
};

interface ScaleEvent {
  readonly atS: number;
  readonly change: number;
}

interface Recommendation {
  readonly atS: number;
  readonly replicas: number;
}

const changedWithin = (events: readonly ScaleEvent[], periodS: number, nowS: number): number =>
  sum(events.filter(({ atS }) => atS > nowS - periodS).map(({ change }) => change));

const boundOf = (
  rules: ScalingRules,
  replicas: number,
  startOf: (policy: Policy) => number,
  isUp: boolean,
): number => {
  if (rules.selectPolicy === "Disabled") return replicas;
  const proposals = rules.policies.map((policy) => {
    const start = startOf(policy);
    const sign = isUp ? 1 : -1;
    if (policy.type === "Pods") return start + sign * policy.value;
    const proposal = start * (1 + (sign * policy.value) / 100);
    return isUp ? Math.ceil(proposal) : Math.trunc(proposal);
  });
  const isHighest = (rules.selectPolicy === "Max") === isUp;
  return isHighest ? Math.max(...proposals) : Math.min(...proposals);
};

export interface Decision {
  readonly replicas: number;
  /** Before stabilization and policies; undefined if no metric decided. */
  readonly recommended: number | undefined;
  /** By metric; undefined if it could not be read. */
  readonly proposals: readonly (number | undefined)[];
}

/** One autoscaler with its memory of recommendations and changes. */
export const createController = (spec: AutoscalerSpec, flags: Flags = DEFAULTS) => {
  let recommendations: Recommendation[] = [];
  let ups: ScaleEvent[] = [];
  let downs: ScaleEvent[] = [];

  const stabilize = (desired: number, replicas: number, nowS: number): number => {
    const { scaleUp, scaleDown } = spec;
    let up = desired;
    let down = desired;
    for (const { atS, replicas: recommended } of recommendations) {
      if (atS > nowS - scaleUp.stabilizationWindowSeconds) up = Math.min(up, recommended);
      if (atS > nowS - scaleDown.stabilizationWindowSeconds) down = Math.max(down, recommended);
    }
    const longestS = Math.max(scaleUp.stabilizationWindowSeconds, scaleDown.stabilizationWindowSeconds);
    recommendations = recommendations.filter(({ atS }) => atS > nowS - longestS);
    recommendations.push({ atS: nowS, replicas: desired });
    return Math.min(Math.max(replicas, up), down);
  };

  const limit = (stabilized: number, replicas: number, nowS: number): number => {
    const { scaleUp, scaleDown, minReplicas, maxReplicas } = spec;
    const startOf = ({ periodSeconds }: Policy): number =>
      replicas - changedWithin(ups, periodSeconds, nowS) + changedWithin(downs, periodSeconds, nowS);
    if (stabilized > replicas) {
      const bound = Math.max(replicas, boundOf(scaleUp, replicas, startOf, true));
      return Math.min(stabilized, bound, maxReplicas);
    }
    if (stabilized < replicas) {
      const bound = Math.min(replicas, boundOf(scaleDown, replicas, startOf, false));
      return Math.max(stabilized, bound, minReplicas);
    }
    return stabilized;
  };

  const record = (from: number, to: number, nowS: number): void => {
    const longestS = Math.max(
      ...[...spec.scaleUp.policies, ...spec.scaleDown.policies].map(({ periodSeconds }) => periodSeconds),
    );
    const isRecent = ({ atS }: ScaleEvent): boolean => atS > nowS - longestS;
    ups = ups.filter(isRecent);
    downs = downs.filter(isRecent);
    if (to > from) ups.push({ atS: nowS, change: to - from });
    if (to < from) downs.push({ atS: nowS, change: from - to });
  };

  const unchanged = (replicas: number, proposals: Decision["proposals"] = []): Decision => ({
    replicas,
    recommended: undefined,
    proposals,
  });

  return {
    /** @param replicas of the Deployment's spec */
    sync: (replicas: number, view: View, observe: Observe): Decision => {
      if (replicas === 0) return unchanged(0);
      if (replicas > spec.maxReplicas) return unchanged(spec.maxReplicas);
      if (replicas < spec.minReplicas) return unchanged(spec.minReplicas);
      if (recommendations.length === 0) recommendations.push({ atS: view.nowS, replicas });
      const proposals = spec.metrics.map((metric) => proposedReplicas(metric, observe(metric), view, flags));
      const known = proposals.filter((proposal) => proposal !== undefined);
      const highest = Math.max(...known);
      // A metric that cannot be read forbids scaling down.
      if (known.length === 0 || (known.length < proposals.length && highest < replicas))
        return unchanged(replicas, proposals);
      const desired = limit(stabilize(highest, replicas, view.nowS), replicas, view.nowS);
      record(replicas, desired, view.nowS);
      return { replicas: desired, recommended: highest, proposals };
    },
  };
};

export type Controller = ReturnType<typeof createController>;
