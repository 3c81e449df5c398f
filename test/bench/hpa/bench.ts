/** `npm run bench hpa`: the rendered autoscalers under shapes of load, in a model of the origin. No process is measured. */
import { mkdir, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { projectFolder } from "../../../src/local/state-dir.ts";
import type { Bench } from "../support/bench.ts";
import { textTable } from "../support/table.ts";
import type { AutoscalerSpec, ScalingRules } from "./controller.ts";
import { SHAPES } from "./loads.ts";
import { type Panel, plot } from "./plot.ts";
import { type Outcome, simulate } from "./simulate.ts";
import { FORMS, renderedSpec } from "./specs.ts";

const FILE = "dist/hpa.svg";

const row = ({ row: shape, outcome }: Panel): string[] => [
  shape,
  String(outcome.overloadedS),
  (100 * outcome.shedShare).toFixed(2),
  outcome.podHours.toFixed(1),
  (outcome.podHours / outcome.idealPodHours).toFixed(2),
  String(outcome.flaps),
  String(outcome.most),
];

const HEADER = ["shape", "overloaded s", "shed %", "pod hours", "÷ ideal", "flaps", "most pods"];

const totals = (outcomes: readonly Outcome[]): string[] => {
  const sum = (of: (outcome: Outcome) => number): number =>
    outcomes.reduce((total, outcome) => total + of(outcome), 0);
  return [
    String(sum(({ overloadedS }) => overloadedS)),
    (sum(({ podHours }) => podHours) / sum(({ idealPodHours }) => idealPodHours)).toFixed(2),
    String(Math.max(...outcomes.map(({ most }) => most))),
  ];
};

/** A change of one value, and what it is called. */
type Variant = readonly [name: string, change: (spec: AutoscalerSpec) => AutoscalerSpec];

const up = (spec: AutoscalerSpec, rules: Partial<ScalingRules>): AutoscalerSpec => ({
  ...spec,
  scaleUp: { ...spec.scaleUp, ...rules },
});

/** Values that autoscalers are often given. */
const VARIANTS: readonly Variant[] = [
  ["CPU alone", (spec) => spec],
  [
    "scaleUp after 60 s, 50 % a minute",
    (spec) =>
      up(spec, {
        stabilizationWindowSeconds: 60,
        policies: [{ type: "Percent", value: 50, periodSeconds: 60 }],
      }),
  ],
  ["scaleUp without a window", (spec) => up(spec, { stabilizationWindowSeconds: 0 })],
  [
    "with memory at 80 %",
    (spec) => ({
      ...spec,
      metrics: [...spec.metrics, { kind: "resource", name: "memory", averageUtilization: 80 }],
    }),
  ],
  [
    "with p99 at 200 ms",
    (spec) => ({
      ...spec,
      metrics: [...spec.metrics, { kind: "pods", name: "http_request_duration_p99", averageValue: 200 }],
    }),
  ],
  [
    "with 1,000 active connections a pod",
    (spec) => ({
      ...spec,
      metrics: [...spec.metrics, { kind: "pods", name: "active_connections", averageValue: 1_000_000 }],
    }),
  ],
  [
    "with 16 active connections a pod",
    (spec) => ({
      ...spec,
      metrics: [...spec.metrics, { kind: "pods", name: "active_connections", averageValue: 16_000 }],
    }),
  ],
];

export const benchHpa: Bench = async ({ onProgress }) => {
  const panels: Panel[] = [];
  const specs = Object.entries(FORMS).map(([form]) => [form, renderedSpec(form)] as const);
  for (const [column, spec] of specs) {
    onProgress(`${column} …`);
    for (const shape of SHAPES) panels.push({ row: shape.name, column, outcome: simulate(spec, shape) });
  }
  const first = specs[0]?.[1];
  const metrics = first?.metrics.filter(({ name }) => name === "cpu") ?? [];
  const costs = VARIANTS.map(([name, change]) => [
    name,
    ...totals(
      first === undefined ? [] : SHAPES.map((shape) => simulate(change({ ...first, metrics }), shape)),
    ),
  ]);
  await mkdir(join(projectFolder, "dist"), { recursive: true });
  await writeFile(join(projectFolder, FILE), plot(panels));
  const figures = Object.fromEntries(
    panels.map(({ row: shape, column, outcome }) => [
      `${column}, ${shape}: overloaded s`.replaceAll(/[ ,:]+/g, "_"),
      outcome.overloadedS,
    ]),
  );
  const tables = specs.map(
    ([form]) => `${form}\n${textTable(HEADER, panels.filter(({ column }) => column === form).map(row))}`,
  );
  const report = [
    ...tables,
    `one value changed, from CPU alone with the rendered behavior, all shapes\n${textTable(["", "overloaded s", "pod hours ÷ ideal", "most pods"], costs)}`,
    "overloaded: the load was above the capacity of the ready pods; ideal: pods that follow the load at once, at 70 %",
    `a model, with measured shares (plant.ts); curves in ${FILE}`,
  ].join("\n\n");
  return { figures, report };
};
