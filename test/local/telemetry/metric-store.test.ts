import { describe, expect, it } from "vitest";
import { createMetricStore, type MetricStore } from "../../../src/local/telemetry/metric-store.ts";
import type { MetricPoint } from "../../../src/local/telemetry/otlp.ts";

const point = (changed: Partial<MetricPoint> & { readonly instance?: string } = {}): MetricPoint => {
  const { instance = "i", ...others } = changed;
  return {
    resource: { service: "edge", instance },
    name: "a.b",
    unit: "",
    description: "",
    kind: "counter",
    attributes: {},
    timeMs: 1,
    value: 1,
    ...others,
  };
};

const values = (store: MetricStore, name: string): unknown[] =>
  store
    .families()
    .filter((family) => family.name === name)
    .flatMap(({ samples }) => samples.map(({ value }) => value));

describe("the metric store", () => {
  it("limits the number of series, but not their points", () => {
    const store = createMetricStore({ maxSeries: 2 });
    expect(store.record(point({ attributes: { n: 1 } }))).toBeUndefined();
    expect(store.record(point({ attributes: { n: 2 } }))).toBeUndefined();
    expect(store.record(point({ attributes: { n: 3 } }))).toBe("a_b_total: the limit of 2 series is reached");
    expect(store.record(point({ attributes: { n: 1 }, value: 7, timeMs: 2 }))).toBeUndefined();
    expect(values(store, "a_b_total")).toEqual([7, 1]);
    expect(store.size).toBe(2);
  });

  it("keeps 20,000 series by default", () => {
    const store = createMetricStore();
    const refused = Array.from({ length: 20_010 }, (_, n) => store.record(point({ attributes: { n } })));
    expect(refused.filter((reason) => reason !== undefined)).toHaveLength(10);
    expect(store.size).toBe(20_000);
  });

  it("drops the series of a silent instance only", () => {
    let nowMs = 0;
    const store = createMetricStore({ silentMs: 600_000, now: () => nowMs });
    store.record(point({ instance: "gone", name: "only.here" }));
    store.record(point({ instance: "gone" }));
    nowMs = 300_000;
    store.record(point({ instance: "stays", value: 5 }));
    nowMs = 600_000;
    expect(values(store, "a_b_total")).toEqual([1, 5]);
    nowMs = 600_001;
    expect(values(store, "a_b_total")).toEqual([5]);
    expect(store.families().map(({ name }) => name)).toEqual(["a_b_total"]);
    nowMs = 900_000;
    store.record(point({ instance: "stays", value: 5, timeMs: 0 }));
    nowMs = 1_200_000;
    expect(store.size).toBe(1);
    nowMs = 1_500_001;
    expect(store.families()).toEqual([]);
    expect(store.size).toBe(0);
  });

  it("drops silent series before it rejects a new one", () => {
    let nowMs = 0;
    const store = createMetricStore({ maxSeries: 1, silentMs: 10, now: () => nowMs });
    store.record(point({ instance: "old" }));
    nowMs = 11;
    expect(store.record(point({ instance: "new", value: 2 }))).toBeUndefined();
    expect(values(store, "a_b_total")).toEqual([2]);
  });

  it("has one type per name until the series of the name are dropped", () => {
    let nowMs = 0;
    const store = createMetricStore({ silentMs: 10, now: () => nowMs });
    store.record(point({ name: "x.total", kind: "gauge" }));
    expect(store.record(point({ name: "x", kind: "counter", instance: "j" }))).toBe(
      "x_total is already a gauge, not a counter",
    );
    nowMs = 11;
    store.families();
    expect(store.record(point({ name: "x", kind: "counter", instance: "j" }))).toBeUndefined();
  });

  it("treats two names that become one as one series", () => {
    const store = createMetricStore();
    store.record(point({ attributes: { "http.route": "/a" } }));
    store.record(point({ name: "a_b", attributes: { http_route: "/a" }, value: 9 }));
    expect(values(store, "a_b_total")).toEqual([9]);
  });

  it.each([
    ["a name without a letter", { name: "..." }, "a name has no letter or digit"],
    ["a point without a value", { value: undefined }, "not a cumulative and consistent value"],
    ["attributes that are too long", { attributes: { a: "x".repeat(9_000) } }, "longer than 8192 characters"],
  ] as const)("rejects %s", (_, changed, reason) => {
    const store = createMetricStore();
    expect(store.record(point(changed))).toContain(reason);
    expect(store.size).toBe(0);
  });
});
