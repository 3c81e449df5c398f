/**
 * The control loop against Kubernetes' own examples: replica_calculator_test.go (pkg/controller/podautoscaler at commit
 * 00067268967e; inputs and results), the documentation's examples of policies, and a second implementation of the formula.
 */
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import {
  type AutoscalerSpec,
  createController,
  type MetricSpec,
  type PodView,
  proposedReplicas,
  type Sample,
  type ScalingRules,
} from "./controller.ts";

const NOW_S = 10_000;

type State = "ready" | "unready" | "starting" | "pending" | "failed" | "deleted";

/** "starting": its sample is from before it became ready. */
const podOf = (state: State, index: number, request = 1_000): PodView => ({
  name: `pod-${index}`,
  phase: state === "pending" ? "Pending" : state === "failed" ? "Failed" : "Running",
  isDeleted: state === "deleted",
  isReady: state === "ready" || state === "starting",
  startedAtS: state === "unready" || state === "starting" ? NOW_S - 100 : 0,
  readyChangedAtS: state === "starting" ? NOW_S - 10 : state === "unready" ? NOW_S - 90 : 20,
  requests: { cpu: request, memory: request },
});

const samplesOf = (levels: readonly number[]): Map<string, Sample> =>
  new Map(levels.map((value, index) => [`pod-${index}`, { value, atS: NOW_S - 5, windowS: 60 }]));

const ready = (count: number): State[] => Array.from({ length: count }, () => "ready");
const cpu = (averageUtilization: number): MetricSpec => ({
  kind: "resource",
  name: "cpu",
  averageUtilization,
});
const qps = (averageValue: number): MetricSpec => ({ kind: "pods", name: "qps", averageValue });
const external = (averageValue: number, name = "qps"): MetricSpec => ({
  kind: "external",
  name,
  averageValue,
});

interface Vector {
  readonly replicas: number;
  readonly expected: number;
  readonly metric: MetricSpec;
  readonly levels: readonly number[];
  readonly states?: readonly State[];
  readonly requests?: readonly number[];
}

const VECTORS: readonly (readonly [name: string, vector: Vector])[] = [
  ["ScaleUp", { replicas: 3, expected: 5, metric: cpu(30), levels: [300, 500, 700] }],
  [
    "ScaleUpUnreadyLessScale",
    {
      replicas: 3,
      expected: 4,
      metric: cpu(30),
      levels: [300, 500, 700],
      states: ["unready", "ready", "ready"],
    },
  ],
  [
    "ScaleUpHotCpuLessScale",
    {
      replicas: 3,
      expected: 4,
      metric: cpu(30),
      levels: [300, 500, 700],
      states: ["starting", "ready", "ready"],
    },
  ],
  [
    "ScaleUpUnreadyNoScale",
    {
      replicas: 3,
      expected: 3,
      metric: cpu(30),
      levels: [400, 500, 700],
      states: ["ready", "unready", "unready"],
    },
  ],
  [
    "ScaleUpIgnoresFailedPods",
    {
      replicas: 2,
      expected: 4,
      metric: cpu(30),
      levels: [500, 700],
      states: ["ready", "ready", "failed", "failed"],
    },
  ],
  [
    "ScaleUpIgnoresDeletionPods",
    {
      replicas: 2,
      expected: 4,
      metric: cpu(30),
      levels: [500, 700],
      states: ["ready", "ready", "deleted", "deleted"],
    },
  ],
  ["ScaleUpCM", { replicas: 3, expected: 4, metric: qps(15_000), levels: [20_000, 10_000, 30_000] }],
  [
    "ScaleUpCMUnreadyHotCpuNoLessScale",
    {
      replicas: 3,
      expected: 6,
      metric: qps(15_000),
      levels: [50_000, 10_000, 30_000],
      states: ["ready", "ready", "starting"],
    },
  ],
  [
    "ScaleUpCMUnreadyHotCpuScaleWouldScaleDown",
    {
      replicas: 3,
      expected: 7,
      metric: qps(15_000),
      levels: [50_000, 15_000, 30_000],
      states: ["starting", "ready", "starting"],
    },
  ],
  ["ScaleUpPerPodCMExternal", { replicas: 3, expected: 4, metric: external(2_150), levels: [8_600] }],
  ["ScaleDown", { replicas: 5, expected: 3, metric: cpu(50), levels: [100, 300, 500, 250, 250] }],
  ["ScaleDownCM", { replicas: 5, expected: 3, metric: qps(20_000), levels: Array(5).fill(12_000) }],
  ["ScaleDownPerPodCMExternal", { replicas: 5, expected: 3, metric: external(2_867), levels: [8_600] }],
  [
    "ScaleDownIncludeUnreadyPods",
    {
      replicas: 5,
      expected: 2,
      metric: cpu(50),
      levels: [100, 300, 500, 250, 250],
      states: ["ready", "ready", "ready", "unready", "unready"],
    },
  ],
  [
    "ScaleDownExcludeUnscheduledPods",
    {
      replicas: 5,
      expected: 1,
      metric: cpu(50),
      levels: [100],
      states: ["ready", "pending", "pending", "pending", "pending"],
    },
  ],
  [
    "ScaleDownIgnoresFailedPods",
    {
      replicas: 5,
      expected: 3,
      metric: cpu(50),
      levels: [100, 300, 500, 250, 250],
      states: [...ready(5), "failed", "failed"],
    },
  ],
  [
    "Tolerance",
    {
      replicas: 3,
      expected: 3,
      metric: cpu(100),
      levels: [1_010, 1_030, 1_020],
      requests: [900, 1_000, 1_100],
    },
  ],
  ["ToleranceCM", { replicas: 3, expected: 3, metric: qps(20_000), levels: [20_000, 21_000, 21_000] }],
  ["TolerancePerPodCMExternal", { replicas: 3, expected: 3, metric: external(2_900), levels: [8_600] }],
  ["MissingMetrics", { replicas: 4, expected: 3, metric: cpu(100), levels: [400, 95], states: ready(4) }],
  [
    "MissingMetricsNoChangeEq",
    { replicas: 2, expected: 2, metric: cpu(100), levels: [1_000], states: ready(2) },
  ],
  [
    "MissingMetricsNoChangeGt",
    { replicas: 2, expected: 2, metric: cpu(100), levels: [1_900], states: ready(2) },
  ],
  [
    "MissingMetricsNoChangeLt",
    { replicas: 2, expected: 2, metric: cpu(100), levels: [600], states: ready(2) },
  ],
  [
    "MissingMetricsUnreadyChange",
    { replicas: 3, expected: 3, metric: cpu(50), levels: [100, 450], states: ["unready", "ready", "ready"] },
  ],
  [
    "MissingMetricsUnreadyScaleUp",
    {
      replicas: 3,
      expected: 4,
      metric: cpu(50),
      levels: [100, 2_000],
      states: ["unready", "ready", "ready"],
    },
  ],
  [
    "MissingMetricsUnreadyScaleDown",
    {
      replicas: 4,
      expected: 3,
      metric: cpu(50),
      levels: [100, 100, 100],
      states: ["unready", "ready", "ready", "ready"],
    },
  ],
  [
    "DuringRollingUpdateWithMaxSurge",
    { replicas: 2, expected: 2, metric: cpu(50), levels: [100, 100], states: ready(3) },
  ],
];

test.each(VECTORS)("TestReplicaCalc%s", (_, { replicas, expected, metric, levels, states, requests }) => {
  const pods = (states ?? ready(levels.length)).map((state, index) => podOf(state, index, requests?.[index]));
  const observed = metric.kind === "external" ? (levels[0] ?? 0) : samplesOf(levels);
  expect(proposedReplicas(metric, observed, { nowS: NOW_S, replicas, pods })).toBe(expected);
});

test("without any metric of its pods, a metric proposes nothing", () => {
  const view = { nowS: NOW_S, replicas: 4, pods: ready(4).map((state, index) => podOf(state, index)) };
  expect(proposedReplicas(cpu(100), samplesOf([]), view)).toBeUndefined();
  expect(proposedReplicas(cpu(100), undefined, view)).toBeUndefined();
  expect(proposedReplicas(external(100), undefined, view)).toBeUndefined();
});

test("all pods ready: the documented formula, ceil(current × usage ÷ target), within the tolerance none", () => {
  fc.assert(
    fc.property(
      fc.array(fc.integer({ min: 0, max: 50_000 }), { minLength: 1, maxLength: 40 }),
      fc.integer({ min: 1_000, max: 30_000 }),
      (levels, target) => {
        const pods = levels.map((_, index) => podOf("ready", index));
        const view = { nowS: NOW_S, replicas: pods.length, pods };
        const usage = Math.floor(levels.reduce((total, level) => total + level, 0) / levels.length);
        const ratio = usage / target;
        const expected = ratio >= 0.9 && ratio <= 1.1 ? pods.length : Math.ceil(pods.length * ratio);
        expect(proposedReplicas(qps(target), samplesOf(levels), view)).toBe(expected);
      },
    ),
  );
});

const rules = (options: Partial<ScalingRules>): ScalingRules => ({
  stabilizationWindowSeconds: 0,
  selectPolicy: "Max",
  policies: [{ type: "Percent", value: 100, periodSeconds: 15 }],
  ...options,
});

const specOf = (options: Partial<AutoscalerSpec>): AutoscalerSpec => ({
  minReplicas: 1,
  maxReplicas: 100,
  metrics: [external(1)],
  scaleUp: rules({}),
  scaleDown: rules({}),
  ...options,
});

/** Replicas at each sync, 15 s apart, of a Deployment that follows immediately. */
const follow = (spec: AutoscalerSpec, from: number, loads: readonly number[]): number[] => {
  const controller = createController(spec);
  let replicas = from;
  return loads.map((load, index) => {
    replicas = controller.sync(replicas, { nowS: index * 15, replicas, pods: [] }, () => load).replicas;
    return replicas;
  });
};

describe("the documentation's examples", () => {
  test("scaling down by 4 pods or 10 % a minute, whichever is more: 80 → 72 → 64 …, and 4 at the end", () => {
    const scaleDown = rules({
      policies: [
        { type: "Pods", value: 4, periodSeconds: 60 },
        { type: "Percent", value: 10, periodSeconds: 60 },
      ],
    });
    const replicas = follow(specOf({ scaleDown, minReplicas: 10 }), 80, Array(200).fill(10));
    expect([...new Set(replicas)].slice(0, 5)).toEqual([72, 64, 57, 51, 45]);
    expect([...new Set(replicas)].slice(-3)).toEqual([16, 12, 10]);
  });

  test("by default, scaling up doubles each 15 s, and at least adds 4 pods", () => {
    const scaleUp = rules({
      policies: [
        { type: "Percent", value: 100, periodSeconds: 15 },
        { type: "Pods", value: 4, periodSeconds: 15 },
      ],
    });
    expect(follow(specOf({ scaleUp }), 1, Array(6).fill(60))).toEqual([5, 10, 20, 40, 60, 60]);
  });

  test("with the policy Disabled, no pod is removed", () => {
    const scaleDown = rules({ selectPolicy: "Disabled" });
    expect(follow(specOf({ scaleDown }), 20, Array(40).fill(1)).at(-1)).toBe(20);
  });

  test("scaling down takes the highest recommendation of the last 300 s", () => {
    const scaleDown = rules({ stabilizationWindowSeconds: 300 });
    const loads = [10, 10, ...Array(30).fill(2)];
    const replicas = follow(specOf({ scaleDown }), 10, loads);
    expect(replicas.lastIndexOf(10) * 15).toBe(300);
    expect(replicas.at(-1)).toBe(2);
  });
});

describe("for any loads", () => {
  const anyRules = fc.record({
    stabilizationWindowSeconds: fc.constantFrom(0, 60, 300),
    selectPolicy: fc.constantFrom("Max" as const, "Min" as const),
    policies: fc.array(
      fc.record({
        type: fc.constantFrom("Percent" as const, "Pods" as const),
        value: fc.integer({ min: 1, max: 100 }),
        periodSeconds: fc.constantFrom(15, 60, 120),
      }),
      { minLength: 1, maxLength: 3 },
    ),
  });
  const anyLoads = fc.array(fc.integer({ min: 0, max: 60 }), { minLength: 1, maxLength: 80 });

  test("replicas stay between minimum and maximum", () => {
    fc.assert(
      fc.property(anyRules, anyRules, anyLoads, (scaleUp, scaleDown, loads) => {
        const spec = specOf({ scaleUp, scaleDown, minReplicas: 3, maxReplicas: 20 });
        for (const replicas of follow(spec, 3, loads)) {
          expect(replicas).toBeGreaterThanOrEqual(3);
          expect(replicas).toBeLessThanOrEqual(20);
        }
      }),
    );
  });

  test("no more pods are added in a period than its policy allows", () => {
    fc.assert(
      fc.property(fc.integer({ min: 1, max: 5 }), anyLoads, (value, loads) => {
        const scaleUp = rules({ policies: [{ type: "Pods", value, periodSeconds: 60 }] });
        const scaleDown = rules({ selectPolicy: "Disabled" });
        const replicas = [1, ...follow(specOf({ scaleUp, scaleDown }), 1, loads)];
        for (let end = 4; end < replicas.length; end += 1)
          expect((replicas[end] ?? 0) - (replicas[end - 4] ?? 0)).toBeLessThanOrEqual(value);
      }),
    );
  });

  test("a metric that cannot be read never removes a pod", () => {
    fc.assert(
      fc.property(anyLoads, (loads) => {
        const spec = specOf({
          metrics: [external(1), external(1, "unreadable")],
          maxReplicas: 60,
        });
        const controller = createController(spec);
        let replicas = 30;
        for (const [index, load] of loads.entries()) {
          const view = { nowS: index * 15, replicas, pods: [] };
          const decision = controller.sync(replicas, view, (metric) =>
            metric === spec.metrics[0] ? load : undefined,
          );
          expect(decision.replicas).toBeGreaterThanOrEqual(replicas);
          replicas = decision.replicas;
        }
      }),
    );
  });
});
