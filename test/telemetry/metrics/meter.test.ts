import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { createMeter, type Meter, type MeterOptions } from "../../../src/telemetry/metrics/meter.ts";

const start = (options: Partial<MeterOptions> = {}) => {
  const clock = { ms: 1_000 };
  return { clock, meter: createMeter({ now: () => clock.ms, ...options }) };
};

const counterOf = (meter: Meter) =>
  meter.counter({ name: "c", description: "counts", unit: "{request}", labels: ["a", "b"] });
const histogramOf = (meter: Meter) =>
  meter.histogram({ name: "h", description: "measures", unit: "s", labels: ["a"], bounds: [0.1, 1] });

const valuesOf = (meter: Meter, name: string) =>
  meter
    .collect()
    .metrics.filter((metric) => metric.name === name)
    .flatMap((metric) => (metric.kind === "histogram" ? [] : metric.points))
    .map(({ attributes, value }) => ({ attributes, value }));

describe("a counter", () => {
  test("adds up what each series counts, from when it began", () => {
    const { meter, clock } = start();
    const counter = counterOf(meter);
    counter.series("x", "y").add(1);
    clock.ms = 2_000;
    counter.series("x", "y").add(0.5);
    counter.series("x", 200).add(2);
    clock.ms = 3_000;
    expect(meter.collect()).toEqual({
      atMs: 3_000,
      metrics: [
        {
          name: "c",
          description: "counts",
          unit: "{request}",
          kind: "counter",
          points: [
            { attributes: { a: "x", b: "y" }, startMs: 1_000, value: 1.5 },
            { attributes: { a: "x", b: 200 }, startMs: 2_000, value: 2 },
          ],
        },
      ],
    });
  });

  test("stays as it is where there is nothing to add", () => {
    const { meter } = start();
    const series = counterOf(meter).series("x", "y");
    for (const by of [0, -1, Number.NaN, Number.POSITIVE_INFINITY]) series.add(by);
    expect(valuesOf(meter, "c")).toEqual([{ attributes: { a: "x", b: "y" }, value: 0 }]);
  });

  test("gives the same series for the same values; no label is an empty one, and digits are a number", () => {
    const counter = counterOf(start().meter);
    expect(counter.series("x", undefined)).toBe(counter.series("x", ""));
    expect(counter.series("x", 200)).toBe(counter.series("x", "200"));
    expect(counter.series("x", "y")).not.toBe(counter.series("y", "x"));
  });

  test("has no attribute for an empty label", () => {
    const { meter } = start();
    counterOf(meter).series("", 1).add(1);
    expect(valuesOf(meter, "c")).toEqual([{ attributes: { b: 1 }, value: 1 }]);
  });

  test("without labels is one series", () => {
    const { meter } = start();
    meter.counter({ name: "c", description: "", labels: [] }).series().add(3);
    expect(valuesOf(meter, "c")).toEqual([{ attributes: {}, value: 3 }]);
  });
});

test("whatever values hold, no two of them meet", () => {
  const anyValue = fc.string({
    unit: fc.constantFrom("a", ",", "|", "\0", '"', "\\", "1", ":"),
    maxLength: 4,
  });
  const anyValues = fc.array(fc.tuple(anyValue, anyValue, anyValue), { maxLength: 50 });
  fc.assert(
    fc.property(anyValues, (all) => {
      const { meter } = start();
      const counter = meter.counter({ name: "c", description: "", labels: ["a", "b", "c"] });
      const expected = new Map<string, number>();
      for (const values of all) {
        counter.series(...values).add(1);
        const key = JSON.stringify(values);
        expected.set(key, (expected.get(key) ?? 0) + 1);
      }
      const found = valuesOf(meter, "c").map(({ attributes: { a = "", b = "", c = "" }, value }) => [
        JSON.stringify([a, b, c]),
        value,
      ]);
      expect(found).toEqual([...expected]);
    }),
  );
});

describe("a histogram", () => {
  test("counts a value in the first bucket whose end it does not exceed", () => {
    const { meter } = start();
    const series = histogramOf(meter).series("x");
    for (const value of [0, 0.1, 0.10001, 1, 1.5, 100]) series.record(value);
    const [metric] = meter.collect().metrics;
    expect(metric).toMatchObject({
      kind: "histogram",
      unit: "s",
      bounds: [0.1, 1],
      points: [{ attributes: { a: "x" }, startMs: 1_000, count: 6, bucketCounts: [2, 2, 2] }],
    });
    expect(metric?.kind === "histogram" && metric.points[0]?.sum).toBeCloseTo(102.70001, 9);
  });

  test("does not count what is no duration", () => {
    const { meter } = start();
    const series = histogramOf(meter).series("x");
    for (const value of [-0.1, Number.NaN, Number.POSITIVE_INFINITY]) series.record(value);
    expect(meter.collect().metrics).toMatchObject([
      { points: [{ count: 0, sum: 0, bucketCounts: [0, 0, 0] }] },
    ]);
  });
});

describe("a gauge", () => {
  const gaugeOf = (values: Map<string, number>) => {
    const { meter } = start();
    meter.gauge({ name: "g", description: "", labels: ["a"] }, (observe) => {
      for (const [each, value] of values) observe(value, each);
    });
    return meter;
  };

  test("is read at each collection, and of what it says nothing there is nothing", () => {
    const values = new Map([
      ["x", 1],
      ["y", 2],
    ]);
    const meter = gaugeOf(values);
    expect(valuesOf(meter, "g").map(({ value }) => value)).toEqual([1, 2]);
    values.delete("x");
    values.set("y", Number.NaN).set("z", 3);
    expect(valuesOf(meter, "g")).toEqual([{ attributes: { a: "z" }, value: 3 }]);
  });
});

describe("what finds no room", () => {
  const OVERFLOW = { "otel.metric.overflow": true };

  test("is counted in one more series of its instrument", () => {
    const { meter } = start({ maxSeries: 3 });
    const counter = counterOf(meter);
    for (let index = 0; index < 1_000; index += 1) counter.series("x", index).add(1);
    histogramOf(meter).series("x").record(1);
    expect(valuesOf(meter, "c").map(({ attributes, value }) => [attributes, value])).toEqual([
      [{ a: "x", b: 0 }, 1],
      [{ a: "x", b: 1 }, 1],
      [{ a: "x", b: 2 }, 1],
      [OVERFLOW, 997],
    ]);
    expect(meter.collect().metrics[1]?.points).toMatchObject([{ attributes: OVERFLOW, count: 1 }]);
  });

  test("is not what has a series already", () => {
    const { meter } = start({ maxSeries: 1 });
    const counter = counterOf(meter);
    const first = counter.series("x", "y");
    counter.series("x", "z").add(1);
    expect(counter.series("x", "y")).toBe(first);
  });

  test("is a value that is too long for a closed set", () => {
    const { meter } = start();
    counterOf(meter).series("x".repeat(256), "y").add(1);
    counterOf(start().meter);
    expect(valuesOf(meter, "c")).toEqual([{ attributes: OVERFLOW, value: 1 }]);
  });

  test("loses nothing of the total, whatever there is", () => {
    fc.assert(
      fc.property(fc.integer({ min: 1, max: 20 }), fc.array(fc.nat(30)), (maxSeries, values) => {
        const { meter } = start({ maxSeries });
        const counter = counterOf(meter);
        for (const value of values) counter.series(value, value).add(1);
        const found = valuesOf(meter, "c");
        expect(found.reduce((sum, { value }) => sum + value, 0)).toBe(values.length);
        expect(found.length).toBeLessThanOrEqual(maxSeries + 1);
      }),
    );
  });
});

describe("a snapshot", () => {
  test("stays what it is", () => {
    const { meter } = start();
    const [count, measure] = [counterOf(meter).series("x", "y"), histogramOf(meter).series("x")];
    const before = meter.collect();
    const copy = structuredClone(before);
    count.add(1);
    measure.record(1);
    expect(before).toEqual(copy);
  });
});
