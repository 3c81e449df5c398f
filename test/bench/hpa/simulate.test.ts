/** What the shipped autoscalers promise, in the model: `npm run bench hpa` prints and draws the same runs. */
import { describe, expect, test } from "vitest";
import { hasKubectl, isRequired } from "../../k8s/support/render.ts";
import type { AutoscalerSpec } from "./controller.ts";
import { SHAPES, type Shape } from "./loads.ts";
import { type Outcome, simulate } from "./simulate.ts";
import { FORMS, renderedSpec } from "./specs.ts";

const shapeOf = (name: string): Shape => {
  const found = SHAPES.find((shape) => shape.name === name);
  if (found === undefined) throw new Error(`no shape ${name}`);
  return found;
};

/** Time for which a step × 4 and a flash crowd overload the ready pods at most, seconds. */
const OVERLOADED_S: Readonly<Record<string, readonly [step: number, flashCrowd: number]>> = {
  CPU: [110, 240],
  "custom metrics": [60, 120],
  KEDA: [60, 120],
};

const drivers = (spec: AutoscalerSpec, outcomes: readonly Outcome[]): boolean[] =>
  spec.metrics.map((_, index) => outcomes.some(({ drivenS }) => (drivenS[index] ?? 0) > 0));

describe.skipIf(!hasKubectl && !isRequired).each(Object.keys(FORMS))("the autoscaler by %s", (form) => {
  const spec = renderedSpec(form);
  const outcomes = new Map(SHAPES.map((shape) => [shape.name, simulate(spec, shape)]));
  const of = (name: string): Outcome => {
    const outcome = outcomes.get(name);
    if (outcome === undefined) throw new Error(`no shape ${name}`);
    return outcome;
  };

  test("covers a step and a flash crowd in its time", () => {
    const [step = 0, flashCrowd = 0] = OVERLOADED_S[form] ?? [];
    expect(of("step × 4").overloadedS).toBeLessThanOrEqual(step);
    expect(of("flash crowd × 10").overloadedS).toBeLessThanOrEqual(flashCrowd);
  });

  test("keeps up with a ramp and a day without an overload", () => {
    expect(of("ramp × 6 in 20 min").overloadedS).toBe(0);
    expect(of("a day").overloadedS).toBe(0);
  });

  test("adds no pods for a slow database while the objective holds", () => {
    expect(of("slow database").most).toBe(spec.minReplicas);
  });

  test("returns to its minimum, and does not swing", () => {
    for (const name of ["step × 4", "ramp × 6 in 20 min", "flash crowd × 10", "spike × 6 for 60 s"])
      expect([name, of(name).last]).toEqual([name, spec.minReplicas]);
    for (const [name, { flaps }] of outcomes) expect([name, flaps <= 1]).toEqual([name, true]);
  });

  test("takes at most 1.7 times the pod hours of pods that follow the load at once", () => {
    for (const [name, { podHours, idealPodHours }] of outcomes)
      expect([name, podHours / idealPodHours < 1.7]).toEqual([name, true]);
  });

  test("scales up by each of its metrics in some shape", () => {
    expect(drivers(spec, [...outcomes.values()])).toEqual(spec.metrics.map(() => true));
  });
});

describe("the model shows what a value costs:", () => {
  const spec: AutoscalerSpec = {
    minReplicas: 3,
    maxReplicas: 50,
    metrics: [{ kind: "resource", name: "cpu", averageUtilization: 70 }],
    scaleUp: {
      stabilizationWindowSeconds: 0,
      selectPolicy: "Max",
      policies: [{ type: "Percent", value: 100, periodSeconds: 60 }],
    },
    scaleDown: {
      stabilizationWindowSeconds: 300,
      selectPolicy: "Max",
      policies: [{ type: "Pods", value: 1, periodSeconds: 60 }],
    },
  };
  const flashCrowd = (changed: AutoscalerSpec): number =>
    simulate(changed, shapeOf("flash crowd × 10")).overloadedS;

  test("a window for scaling up", () => {
    const scaleUp = { ...spec.scaleUp, stabilizationWindowSeconds: 60 };
    expect(flashCrowd({ ...spec, scaleUp })).toBeGreaterThan(flashCrowd(spec) + 30);
  });

  test("a target ten times too high never scales", () => {
    const metrics = [{ kind: "pods", name: "origin_demand_cores", averageValue: 7_000 }] as const;
    expect(simulate({ ...spec, metrics }, shapeOf("step × 4")).most).toBe(3);
  });

  test("a p99 target below the objective takes every pod for a slow database", () => {
    const metrics = [
      ...spec.metrics,
      { kind: "pods", name: "http_request_duration_p99", averageValue: 200 } as const,
    ];
    expect(simulate({ ...spec, metrics }, shapeOf("slow database")).most).toBe(50);
  });

  test("memory at 80 % keeps the pods of a peak", () => {
    const metrics = [...spec.metrics, { kind: "resource", name: "memory", averageUtilization: 80 } as const];
    const shape = shapeOf("flash crowd × 10");
    expect(simulate({ ...spec, metrics }, shape).last).toBeGreaterThan(10);
    expect(simulate(spec, shape).last).toBe(3);
  });

  test("a metric that cannot be read keeps the pods of a peak", () => {
    const metrics = [...spec.metrics, { kind: "pods", name: "unknown", averageValue: 1 } as const];
    expect(simulate({ ...spec, metrics }, shapeOf("step × 4")).last).toBeGreaterThan(3);
  });
});
