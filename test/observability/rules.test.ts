/** The rules are what promtool accepts and does with them, and each of them is tested. */
import { readFileSync } from "node:fs";
import { basename, join } from "node:path";
import { describe, expect, test } from "vitest";
import { parse } from "yaml";
import { z } from "zod";
import { projectFolder } from "../../src/local/state-dir.ts";
import { metricNamesIn } from "./expression.ts";
import { faultsOfNames } from "./names.ts";
import { hasPromtool, isPromtoolRequired, promtool } from "./promtool.ts";
import {
  alerts,
  askedExpressions,
  groupNames,
  recordingRules,
  ruleFiles,
  ruleTestFiles,
  ruleTestsFolder,
} from "./rule-files.ts";

const autoscaler = z.object({
  spec: z.object({
    metrics: z.array(z.object({ pods: z.object({ metric: z.object({ name: z.string() }) }).optional() })),
  }),
});

const read = (path: string): string => readFileSync(join(projectFolder, path), "utf8");

/** Such as `CircuitBreakerOpen, page`: two rules may share a name. */
const titles = alerts.map(({ alert, labels }) => `${alert}, ${labels.severity}`);

const asksFor = (expr: string, { alert, labels }: (typeof alerts)[number]): boolean =>
  expr.includes(`alertname="${alert}"`) && expr.includes(`severity="${labels.severity}"`);

describe.skipIf(!hasPromtool && !isPromtoolRequired)("promtool", () => {
  test("accepts every rule file", () => {
    expect(promtool("check", "rules", ...ruleFiles)).toBeUndefined();
  });

  test.for(ruleTestFiles.map((path) => basename(path)))("%s: the rules do what it says", {
    timeout: 120_000,
  }, (name) => {
    expect(promtool("test", "rules", join(ruleTestsFolder, name))).toBeUndefined();
  });
});

describe("the tests of the rules", () => {
  test.for(titles.map((title, at) => [title, at] as const))("see %s fire, and see it not fire", ([, at]) => {
    const asked = askedExpressions.filter(
      ({ expr }) => alerts[at] !== undefined && asksFor(expr, alerts[at]),
    );
    expect(asked.filter(({ samples }) => samples === 0).length).toBeGreaterThan(0);
    const fired = asked.filter(({ samples }) => samples > 0).map(({ expr }) => expr);
    expect(fired.length).toBeGreaterThan(0);
    for (const expr of fired) expect(expr).toContain('alertstate="firing"');
  });

  test.for(recordingRules.map(({ record }) => record))("see what %s records", (record) => {
    const seen = askedExpressions.filter(
      ({ expr, samples }) => samples > 0 && metricNamesIn(expr).includes(record),
    );
    expect(seen.length).toBeGreaterThan(0);
  });
});

/** Whether something is there: its value, 0 or 1, says nothing. */
const OF_PRESENCE = ["OriginsMissing", "TargetDown", "EdgeTelemetryMissing"];

describe("the rules", () => {
  test("have names that are there once, for each severity", () => {
    expect(new Set(titles).size).toBe(titles.length);
    expect(new Set(groupNames).size).toBe(groupNames.length);
    const records = recordingRules.map(({ record }) => record);
    expect(new Set(records).size).toBe(records.length);
  });

  test("name metrics and labels that are known", () => {
    expect([...alerts, ...recordingRules].flatMap(({ expr }) => faultsOfNames(expr))).toEqual([]);
  });

  test.for([
    ["rate(http_server_requests_total[5m])", "http_server_requests_total is no metric that is known"],
    ["up / on (job) group_left (pod) mistyped offset 5m", "mistyped is no metric that is known"],
    ['count({__name__=~"up|mistyped_total"}) or vector(0) # comment', "mistyped_total is no metric"],
    ["sum by (zone) (overload_limit)", "no metric has a label zone"],
    ['up{job!="c{d}|e"} > bool 1e3 and mistyped', "mistyped is no metric that is known"],
    ['cache_requests_total{outcome=~"hit|stale-on-error"}', "outcome is never stale-on-error"],
  ] as const)("with an unknown name are found: %s", ([expr, fault]) => {
    expect(faultsOfNames(expr)).toEqual([expect.stringContaining(fault)]);
  });

  test("record series under names that are known as theirs", () => {
    for (const { record } of recordingRules)
      expect([record, metricNamesIn(record)]).toEqual([record, [record]]);
    expect(recordingRules.flatMap(({ record }) => faultsOfNames(record))).toEqual([]);
  });

  test("tell in their descriptions what was found", () => {
    for (const { alert, annotations } of alerts) {
      const told = `${annotations.summary} ${annotations.description}`;
      expect([alert, told]).toEqual([alert, expect.stringContaining("$labels.")]);
      if (!OF_PRESENCE.includes(alert))
        expect([alert, told]).toEqual([alert, expect.stringContaining("{{ $value | humanize")]);
    }
  });
});

describe("who reads recorded series", () => {
  const records = recordingRules.map(({ record }) => record);
  const values = (path: string, pattern: RegExp): string[] =>
    [...read(path).matchAll(pattern)].map(([, value = ""]) => value);
  const served = values("k8s/components/custom-metrics/prometheus-adapter.yaml", /seriesQuery: (\w+)\{/g);

  test("the adapter serves the metrics that the autoscaler asks for, and finds them", () => {
    const { spec } = autoscaler.parse(
      parse(read("k8s/components/custom-metrics/horizontal-pod-autoscaler.yaml")),
    );
    const names = spec.metrics.flatMap(({ pods }) => pods?.metric.name ?? []);
    expect(names.sort()).toEqual(["active_connections", "http_request_duration_p99"]);
    expect(served.sort()).toEqual(names);
    expect(records).toEqual(expect.arrayContaining(served));
  });

  test.for([
    "components/keda/scaled-object.yaml",
    "overlays/dev/kustomization.yaml",
    "overlays/staging/kustomization.yaml",
    "overlays/production/kustomization.yaml",
  ])("KEDA's query of %s is for a recorded series", (path) => {
    const queries = values(`k8s/${path}`, /(?:query|value): (sum\(.*\))$/gm);
    expect(queries).toHaveLength(1);
    for (const query of queries) expect(metricNamesIn(query)).toEqual(["active_connections"]);
  });
});
