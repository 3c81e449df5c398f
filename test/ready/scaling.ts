/** The fourth item: the autoscaler is configured, and tested in a model. */
import { SHAPES } from "../bench/hpa/loads.ts";
import { simulate } from "../bench/hpa/simulate.ts";
import { specOf } from "../bench/hpa/specs.ts";
import { autoscaler, connections } from "../k8s/checks/scaling.ts";
import { type Judge, lineOf, passed, unless } from "./item.ts";

/** For which a step × 4 may overload the ready pods, seconds. */
const MAX_OVERLOADED_S = 180;

export const autoscaling: Judge = (repository) => {
  const { manifests, objects } = repository;
  const spec = specOf(objects);
  if (spec === undefined) return unless(["the overlay production has no autoscaler"], passed());
  const outcomes = SHAPES.map((shape) => [shape.name, simulate(spec, shape)] as const);
  const of = (name: string) => outcomes.find(([shape]) => shape === name)?.[1];
  const step = of("step × 4");
  const slow = of("slow database");
  const idle = spec.metrics.filter(
    (_, index) => !outcomes.some(([, { drivenS }]) => (drivenS[index] ?? 0) > 0),
  );
  const faults = [
    ...autoscaler(manifests),
    ...connections(manifests),
    ...(step !== undefined && step.overloadedS <= MAX_OVERLOADED_S
      ? []
      : [`a step × 4 overloads the pods for ${step?.overloadedS} s, of at most ${MAX_OVERLOADED_S}`]),
    ...(step?.last === spec.minReplicas ? [] : [`after a step × 4, ${step?.last} pods remain`]),
    ...(slow?.most === spec.minReplicas ? [] : [`a slow database takes ${slow?.most} pods`]),
    ...idle.map(({ name }) => `the metric ${name} adds a pod in no shape of load`),
  ];
  const line = lineOf(repository, "k8s/base/horizontal-pod-autoscaler.yaml", /averageUtilization:/);
  return unless(
    faults,
    passed(
      `${spec.minReplicas} to ${spec.maxReplicas} pods (${line})`,
      `in a model: a step × 4 is covered in ${step?.overloadedS} s, a flash crowd × 10 in ${of("flash crowd × 10")?.overloadedS} s, a slow database takes no pod (npm run bench hpa)`,
    ),
  );
};
