import { Registry } from "prom-client";
import { beforeEach, describe, expect, test } from "vitest";
import { createHistogram, type ObserveValue } from "../../../src/origin/metrics/histogram.ts";
import { createTotals } from "../../../src/origin/metrics/totals.ts";

const LABELS = ["route", "status"] as const;

let registry: Registry;
let observe: ObserveValue<typeof LABELS>;

const histogramIn = (register: Registry): ObserveValue<typeof LABELS> =>
  createHistogram({
    name: "request_seconds",
    help: "Duration of requests",
    labels: LABELS,
    bounds: [0.1, 1],
    registry: register,
  });

beforeEach(() => {
  registry = new Registry();
  observe = histogramIn(registry);
});

describe("a histogram", () => {
  test("is told as Prometheus reads one: each bucket holds those before it, and +Inf all", async () => {
    observe(0.05, "/a", 200);
    observe(0.1, "/a", 200);
    observe(0.5, "/a", 200);
    observe(7, "/a", 200);
    expect(await registry.metrics()).toBe(
      [
        "# HELP request_seconds Duration of requests",
        "# TYPE request_seconds histogram",
        'request_seconds_bucket{route="/a",status="200",le="0.1"} 2',
        'request_seconds_bucket{route="/a",status="200",le="1"} 3',
        'request_seconds_bucket{route="/a",status="200",le="+Inf"} 4',
        'request_seconds_sum{route="/a",status="200"} 7.65',
        'request_seconds_count{route="/a",status="200"} 4',
        "",
      ].join("\n"),
    );
  });

  test("is named with its help before anything was observed", async () => {
    expect(await registry.metrics()).toBe(
      "# HELP request_seconds Duration of requests\n# TYPE request_seconds histogram\n",
    );
  });

  test("has a series for each of its labels' values, and leaves a label out whose value is empty", async () => {
    observe(0.05, "/a", 200);
    observe(0.05, "/a", 404);
    observe(0.05, "/b", "");
    const lines = (await registry.metrics()).split("\n").filter((line) => line.includes("_count"));
    expect(lines).toEqual([
      'request_seconds_count{route="/a",status="200"} 1',
      'request_seconds_count{route="/a",status="404"} 1',
      'request_seconds_count{route="/b"} 1',
    ]);
  });

  test("counts what finds no room in one series more, so that its total stays right", async () => {
    for (let n = 0; n < 2_010; n += 1) observe(0.05, `/${n}`, 200);
    const { values = [] } = (await registry.getMetricsAsJSON())[0] ?? {};
    const counts = values.filter(
      (value) => "metricName" in value && value.metricName === "request_seconds_count",
    );
    expect(counts.length).toBe(2_001);
    expect(counts.at(-1)).toMatchObject({ labels: { otel_metric_overflow: "true" }, value: 10 });
  });

  test.each([Number.NaN, Number.POSITIVE_INFINITY, -1])("is not changed by %d", async (value) => {
    observe(value, "/a", 200);
    expect(await registry.metrics()).toContain('request_seconds_count{route="/a",status="200"} 0');
  });

  test("of several processes adds up", async () => {
    const other = new Registry();
    histogramIn(other)(0.05, "/a", 200);
    observe(0.5, "/a", 200);
    const reports = new Map([
      [1, await registry.getMetricsAsJSON()],
      [2, await other.getMetricsAsJSON()],
    ]);
    const text = await createTotals().text(reports);
    expect(text).toContain('request_seconds_bucket{route="/a",status="200",le="0.1"} 1');
    expect(text).toContain('request_seconds_bucket{route="/a",status="200",le="1"} 2');
    expect(text).toContain('request_seconds_count{route="/a",status="200"} 2');
  });
});
