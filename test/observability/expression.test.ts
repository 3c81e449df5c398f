import { describe, expect, test } from "vitest";
import { labelNamesIn, matchersIn, metricNamesIn } from "./expression.ts";

describe("the names of an expression", () => {
  test.for<[string, string[], string[]]>([
    ["up", ["up"], []],
    ['up{job="web-api"} == 0', ["up"], ["job"]],
    [
      "sum by (job) (rate(a_total[5m])) / sum by (job) (rate(b_total[5m])) > 0.05",
      ["a_total", "b_total"],
      ["job"],
    ],
    [
      "histogram_quantile(0.99, sum by (le, job) (rate(x_bucket[$__rate_interval])))",
      ["x_bucket"],
      ["le", "job"],
    ],
    [
      "slo:a:rate5m > 14.4 * 0.001 and slo:a:rate1h unless on (x) b",
      ["slo:a:rate5m", "slo:a:rate1h", "b"],
      ["x"],
    ],
    ["a / on (job) group_left (pod) b", ["a", "b"], ["job", "pod"]],
    ['a{b=~"c{d}|e", f!="g"} offset 5m', ["a"], ["b", "f"]],
    ["count(ALERTS) or vector(0)", ["ALERTS"], []],
    ["a # b\n+ c", ["a", "c"], []],
    ["a + 1e3 + 0x1f + Inf > bool 2", ["a"], []],
    ["sum(a) by (b)", ["a"], ["b"]],
    ['count({__name__=~"a_total|b_total", c="d"})', ["a_total", "b_total"], ["c"]],
    ["a and a", ["a"], []],
  ])("%s", ([expr, metrics, labels]) => {
    expect(metricNamesIn(expr)).toEqual(metrics);
    expect(labelNamesIn(expr)).toEqual(labels);
  });
});

test("the matchers of an expression", () => {
  expect(matchersIn('sum(a{b="c", d!~"e|f"}) / g{h != "i"}')).toEqual([
    { label: "b", operator: "=", value: "c" },
    { label: "d", operator: "!~", value: "e|f" },
    { label: "h", operator: "!=", value: "i" },
  ]);
});
