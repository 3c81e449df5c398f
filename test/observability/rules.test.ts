/** The rules are valid, pass their promtool tests, and each of them is tested. */
import { basename, join } from "node:path";
import { describe, expect, test } from "vitest";
import { metricNamesIn } from "./expression.ts";
import { faultsOfNames } from "./names.ts";
import { hasPromtool, isPromtoolRequired, promtool } from "./promtool.ts";
import {
  alerts,
  groupNames,
  recordingRules,
  ruleFiles,
  ruleTestFiles,
  ruleTestsFolder,
  testedExpressions,
} from "./rule-files.ts";

/** Such as `CircuitBreakerOpen, page`, because two rules may share a name. */
const titles = alerts.map(({ alert, labels }) => `${alert}, ${labels.severity}`);

const isFor = (expr: string, { alert, labels }: (typeof alerts)[number]): boolean =>
  expr.includes(`alertname="${alert}"`) && expr.includes(`severity="${labels.severity}"`);

describe.skipIf(!hasPromtool && !isPromtoolRequired)("promtool", () => {
  test("accepts every rule file", () => {
    expect(promtool("check", "rules", ...ruleFiles)).toBeUndefined();
  });

  test.for(ruleTestFiles.map((path) => basename(path)))("%s passes", {
    timeout: 120_000,
  }, (name) => {
    expect(promtool("test", "rules", join(ruleTestsFolder, name))).toBeUndefined();
  });
});

describe("the tests of the rules", () => {
  test.for(titles.map((title, at) => [title, at] as const))("cover %s, firing and not firing", ([, at]) => {
    const tested = testedExpressions.filter(
      ({ expr }) => alerts[at] !== undefined && isFor(expr, alerts[at]),
    );
    // The watchdog always fires.
    if (alerts[at]?.labels.severity !== "none")
      expect(tested.filter(({ samples }) => samples === 0).length).toBeGreaterThan(0);
    const fired = tested.filter(({ samples }) => samples > 0).map(({ expr }) => expr);
    expect(fired.length).toBeGreaterThan(0);
    for (const expr of fired) expect(expr).toContain('alertstate="firing"');
  });

  test.for(recordingRules.map(({ record }) => record))("cover the recorded series %s", (record) => {
    const tested = testedExpressions.filter(
      ({ expr, samples }) => samples > 0 && metricNamesIn(expr).includes(record),
    );
    expect(tested.length).toBeGreaterThan(0);
  });
});

/** Alerts on absence or on a condition, whose value of 0 or 1 is not informative. */
const WITHOUT_VALUE = [
  ...["OriginsMissing", "TargetDown", "EdgeTelemetryMissing", "ClusterMetricsMissing", "Watchdog"],
  ...["AutoscalerCannotScale", "RolloutStuck", "TunnelDown, page"],
];

describe("the rules", () => {
  test("have unique names per severity", () => {
    expect(new Set(titles).size).toBe(titles.length);
    expect(new Set(groupNames).size).toBe(groupNames.length);
    const records = recordingRules.map(({ record }) => record);
    expect(new Set(records).size).toBe(records.length);
  });

  test("use known metrics and labels", () => {
    expect([...alerts, ...recordingRules].flatMap(({ expr }) => faultsOfNames(expr))).toEqual([]);
  });

  test.for([
    ["rate(http_server_requests_total[5m])", "http_server_requests_total is an unknown metric"],
    ["up / on (job) group_left (pod) mistyped offset 5m", "mistyped is an unknown metric"],
    ['count({__name__=~"up|mistyped_total"}) or vector(0) # comment', "mistyped_total is an unknown metric"],
    ["sum by (zone) (overload_limit)", "no metric has a label zone"],
    ['up{job!="c{d}|e"} > bool 1e3 and mistyped', "mistyped is an unknown metric"],
    ['cache_requests_total{outcome=~"hit|stale-on-error"}', "outcome is never stale-on-error"],
    ['http_server_request_duration_seconds_bucket{le="0.6"}', "le is never 0.6"],
  ] as const)("cannot have an unknown name: %s", ([expr, fault]) => {
    expect(faultsOfNames(expr)).toEqual([expect.stringContaining(fault)]);
  });

  test("record known series", () => {
    for (const { record } of recordingRules)
      expect([record, metricNamesIn(record)]).toEqual([record, [record]]);
    expect(recordingRules.flatMap(({ record }) => faultsOfNames(record))).toEqual([]);
  });

  test("have labels and values in their descriptions", () => {
    for (const { alert, labels, annotations } of alerts) {
      const text = `${annotations.summary} ${annotations.description}`;
      // The watchdog is about no namespace.
      if (labels.severity !== "none")
        expect([alert, text]).toEqual([alert, expect.stringContaining("$labels.")]);
      if (!WITHOUT_VALUE.some((name) => name === alert || name === `${alert}, ${labels.severity}`))
        expect([alert, text]).toEqual([alert, expect.stringContaining("{{ $value | humanize")]);
    }
  });
});
