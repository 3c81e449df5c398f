/** The manifests use the rules of container/rules. */
import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, test } from "vitest";
import { parse } from "yaml";
import { z } from "zod";
import { projectFolder } from "../../src/local/state-dir.ts";
import { metricNamesIn } from "../observability/expression.ts";
import { recordingRules } from "../observability/rule-files.ts";
import { hasComponent } from "./support/combinations.ts";
import { titleOf } from "./support/manifests.ts";
import { hasKubectl, isRequired, renderObjects } from "./support/render.ts";

const autoscaler = z.object({
  spec: z.object({
    metrics: z.array(z.object({ pods: z.object({ metric: z.object({ name: z.string() }) }).optional() })),
  }),
});

const read = (path: string): string => readFileSync(join(projectFolder, path), "utf8");

test("the operator's kustomization has every rule file", () => {
  const path = "k8s/components/prometheus-operator/kustomization.yaml";
  const text = readFileSync(join(projectFolder, path), "utf8");
  for (const name of readdirSync(join(projectFolder, "container/rules")))
    expect(text).toContain(`- rules/${name}\n`);
});

test("the alert on the edge's series fires at four fifths of what each Prometheus accepts", () => {
  const limits = [
    ["k8s/components/prometheus-operator/collector-pod-monitors.yaml", /sampleLimit: (\d+)/g],
    ["container/prometheus.yaml", /sample_limit: (\d+)/g],
  ] as const;
  const found = limits.flatMap(([path, pattern]) =>
    [...read(path).matchAll(pattern)].map(([, limit]) => limit),
  );
  expect(found).toEqual(["200000", "200000"]);
  expect(read("container/rules/telemetry.yaml")).toContain(
    'scrape_samples_scraped{job="edge-collector"}) > 160000',
  );
});

describe("recorded series are used", () => {
  const records = recordingRules.map(({ record }) => record);
  const values = (path: string, pattern: RegExp): string[] =>
    [...read(path).matchAll(pattern)].map(([, value = ""]) => value);

  test.skipIf(!hasComponent("custom-metrics"))("by the adapter, for the autoscaler's metrics", () => {
    const adapter = "k8s/components/custom-metrics/prometheus-adapter.yaml";
    const served = values(adapter, /seriesQuery: (\w+)\{/g);
    const { spec } = autoscaler.parse(
      parse(read("k8s/components/custom-metrics/horizontal-pod-autoscaler.yaml")),
    );
    const names = spec.metrics.flatMap(({ pods }) => pods?.metric.name ?? []);
    expect(names).toEqual(["origin_demand_cores"]);
    expect(served.sort()).toEqual(names);
    expect(records).toEqual(expect.arrayContaining(served));
  });

  const withKeda = [
    "components/keda/scaled-object.yaml",
    "overlays/dev/kustomization.yaml",
    "overlays/direct/kustomization.yaml",
    "overlays/staging/kustomization.yaml",
    "overlays/production/kustomization.yaml",
  ];
  test.for(hasComponent("keda") ? withKeda : [])("by KEDA's query of %s", (path) => {
    const queries = values(`k8s/${path}`, /(?:query|value): (sum\(.*\))$/gm);
    expect(queries).toHaveLength(1);
    for (const query of queries) expect(records).toEqual(expect.arrayContaining(metricNamesIn(query)));
  });
});

test.skipIf(!hasKubectl && !isRequired)(
  "two environments in one cluster apply the same rules, routes and monitors, so that each exists once",
  () => {
    const ofCluster = (name: string) =>
      renderObjects({ base: `overlays/${name}`, components: [] })
        .filter(({ metadata }) => metadata.namespace === "monitoring")
        .toSorted((a, b) => titleOf(a).localeCompare(titleOf(b)));
    const production = ofCluster("production");
    expect(new Set(production.map(({ kind }) => kind))).toEqual(
      new Set(["AlertmanagerConfig", "PodMonitor", "PrometheusRule"]),
    );
    expect(ofCluster("staging")).toEqual(production);
    const records = [...JSON.stringify(production).matchAll(/"record":"([^"]+)"/g)].map(([, name]) => name);
    expect(new Set(records).size).toBe(records.length);
    expect(records.length).toBe(recordingRules.length);
  },
);

test.skipIf(!hasComponent("keda"))("KEDA's fallback, of 2.17, leaves CPU to the autoscaler", () => {
  const { spec } = z
    .object({ spec: z.object({ fallback: z.object({ behavior: z.string() }) }) })
    .parse(parse(read("k8s/components/keda/scaled-object.yaml")));
  expect(spec.fallback.behavior).toBe("currentReplicasIfHigher");
  expect(read("docs/deploy.md")).toContain("| `keda` | KEDA (2.17 or newer)");
});

test("the operator's copy of Alertmanager's routes sends, with a Secret, to each receiver that a route names", () => {
  const receivers = z
    .object({ spec: z.object({ receivers: z.array(z.looseObject({ name: z.string() })) }) })
    .parse(parse(read("k8s/components/prometheus-operator/alertmanager-config.yaml"))).spec.receivers;
  const sending = receivers.filter((receiver) => JSON.stringify(receiver).includes('"alert-receivers"'));
  expect(sending.map(({ name }) => name)).toEqual(["page", "ticket", "heartbeat"]);
});
