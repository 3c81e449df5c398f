/** The autoscalers of the rendered manifests: a HorizontalPodAutoscaler, or the one that KEDA makes of a ScaledObject. */
import * as z from "zod";
import { hasComponent } from "../../k8s/support/combinations.ts";
import type { KubernetesObject } from "../../k8s/support/manifests.ts";
import { renderObjects } from "../../k8s/support/render.ts";
import type { AutoscalerSpec, MetricSpec, Policy, ScalingRules } from "./controller.ts";

const policy = z.object({ type: z.enum(["Percent", "Pods"]), value: z.number(), periodSeconds: z.number() });
const rules = z.object({
  stabilizationWindowSeconds: z.number().optional(),
  selectPolicy: z.enum(["Max", "Min", "Disabled"]).default("Max"),
  policies: z.array(policy).optional(),
});
const behavior = z.object({
  scaleUp: rules.default({ selectPolicy: "Max" }),
  scaleDown: rules.default({ selectPolicy: "Max" }),
});

const metric = z.discriminatedUnion("type", [
  z.object({
    type: z.literal("Resource"),
    resource: z.object({
      name: z.enum(["cpu", "memory"]),
      target: z.object({ type: z.literal("Utilization"), averageUtilization: z.number() }),
    }),
  }),
  z.object({
    type: z.literal("Pods"),
    pods: z.object({
      metric: z.object({ name: z.string() }),
      target: z.object({ type: z.literal("AverageValue"), averageValue: z.string() }),
    }),
  }),
]);

const autoscaler = z.object({
  kind: z.literal("HorizontalPodAutoscaler"),
  spec: z.object({
    minReplicas: z.number(),
    maxReplicas: z.number(),
    metrics: z.array(metric),
    behavior,
  }),
});

const trigger = z.discriminatedUnion("type", [
  z.object({ type: z.literal("cpu"), metadata: z.object({ value: z.string() }) }),
  z.object({
    type: z.literal("prometheus"),
    metadata: z.object({ query: z.string(), threshold: z.string() }),
  }),
]);

const scaledObject = z.object({
  kind: z.literal("ScaledObject"),
  spec: z.object({
    minReplicaCount: z.number(),
    maxReplicaCount: z.number(),
    advanced: z.object({ horizontalPodAutoscalerConfig: z.object({ behavior }) }),
    triggers: z.array(trigger),
  }),
});

/** `behavior`'s defaults (Kubernetes documentation, "Default behavior"). */
const DEFAULT_UP: readonly Policy[] = [
  { type: "Percent", value: 100, periodSeconds: 15 },
  { type: "Pods", value: 4, periodSeconds: 15 },
];
const DEFAULT_DOWN: readonly Policy[] = [{ type: "Percent", value: 100, periodSeconds: 15 }];

const rulesOf = (
  { stabilizationWindowSeconds, selectPolicy, policies }: z.output<typeof rules>,
  windowS: number,
  defaults: readonly Policy[],
): ScalingRules => ({
  stabilizationWindowSeconds: stabilizationWindowSeconds ?? windowS,
  selectPolicy,
  policies: policies ?? defaults,
});

const behaviorOf = ({ scaleUp, scaleDown }: z.output<typeof behavior>) => ({
  scaleUp: rulesOf(scaleUp, 0, DEFAULT_UP),
  scaleDown: rulesOf(scaleDown, 300, DEFAULT_DOWN),
});

/** In thousandths, the API's unit: "15" is 15,000, "200m" is 200. */
const milli = (quantity: string): number =>
  quantity.endsWith("m") ? Number(quantity.slice(0, -1)) : Number(quantity) * 1_000;

const ofAutoscaler = ({ spec }: z.output<typeof autoscaler>): AutoscalerSpec => ({
  ...spec,
  ...behaviorOf(spec.behavior),
  metrics: spec.metrics.map(
    (each): MetricSpec =>
      each.type === "Resource"
        ? {
            kind: "resource",
            name: each.resource.name,
            averageUtilization: each.resource.target.averageUtilization,
          }
        : { kind: "pods", name: each.pods.metric.name, averageValue: milli(each.pods.target.averageValue) },
  ),
});

const ofScaledObject = ({ spec }: z.output<typeof scaledObject>): AutoscalerSpec => ({
  minReplicas: spec.minReplicaCount,
  maxReplicas: spec.maxReplicaCount,
  ...behaviorOf(spec.advanced.horizontalPodAutoscalerConfig.behavior),
  metrics: spec.triggers.map(
    (each): MetricSpec =>
      each.type === "cpu"
        ? { kind: "resource", name: "cpu", averageUtilization: Number(each.metadata.value) }
        : {
            kind: "external",
            name: /sum\((\w+)/.exec(each.metadata.query)?.[1] ?? each.metadata.query,
            averageValue: milli(each.metadata.threshold),
          },
  ),
});

/** The components of each. */
export const FORMS: Readonly<Record<string, readonly string[]>> = Object.fromEntries(
  Object.entries({ CPU: [], "custom metrics": ["custom-metrics"], KEDA: ["keda"] }).filter(([, names]) =>
    names.every(hasComponent),
  ),
);

/** @returns undefined without an autoscaler @throws ZodError for a metric that the model does not have */
export const specOf = (objects: readonly KubernetesObject[]): AutoscalerSpec | undefined => {
  for (const object of objects) {
    const scaled = scaledObject.safeParse(object);
    if (scaled.success) return ofScaledObject(scaled.data);
  }
  const found = objects.find(({ kind }) => kind === "HorizontalPodAutoscaler");
  return found === undefined ? undefined : ofAutoscaler(autoscaler.parse(found));
};

/** Of `k8s/`, without an overlay. @throws Error without kubectl, or without an autoscaler */
export const renderedSpec = (form: string): AutoscalerSpec => {
  const spec = specOf(renderObjects({ base: ".", components: FORMS[form] ?? [] }));
  if (spec === undefined) throw new Error("k8s/ has no autoscaler");
  return spec;
};
