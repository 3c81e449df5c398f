import { expect, test } from "vitest";
import { createMeter } from "../../../src/telemetry/metrics/meter.ts";
import { otlpMetrics } from "../../../src/telemetry/otlp.ts";

const SCOPE = { name: "breakwater", version: "1.2.3" };

test("a snapshot is written as OTLP has it", () => {
  let nowMs = 1_700_000_000_000;
  const meter = createMeter({ now: () => nowMs });
  const counter = meter.counter({
    name: "edge.attempts",
    description: "attempts",
    unit: "{attempt}",
    labels: ["cause"],
  });
  counter.series("first").add(3);
  counter.series("retry").add(0.5);
  const histogram = meter.histogram({
    name: "http.server.request.duration",
    description: "durations",
    unit: "s",
    labels: ["http.request.method", "http.response.status_code"],
    bounds: [0.005, 1],
  });
  histogram.series("GET", 200).record(0.25);
  histogram.series("GET", 200).record(4);
  meter.gauge({ name: "circuit_breaker.state", description: "state", labels: ["state"] }, (observe) => {
    observe(1, "open");
  });
  nowMs += 1_500.25;
  const times = { startTimeUnixNano: "1700000000000000000", timeUnixNano: "1700000001500250000" };
  expect(
    JSON.parse(JSON.stringify(otlpMetrics(meter.collect(), { "service.name": "breakwater-edge" }, SCOPE))),
  ).toEqual({
    resourceMetrics: [
      {
        resource: { attributes: [{ key: "service.name", value: { stringValue: "breakwater-edge" } }] },
        scopeMetrics: [
          {
            scope: SCOPE,
            metrics: [
              {
                name: "edge.attempts",
                description: "attempts",
                unit: "{attempt}",
                sum: {
                  aggregationTemporality: 2,
                  isMonotonic: true,
                  dataPoints: [
                    { attributes: [{ key: "cause", value: { stringValue: "first" } }], ...times, asInt: "3" },
                    {
                      attributes: [{ key: "cause", value: { stringValue: "retry" } }],
                      ...times,
                      asDouble: 0.5,
                    },
                  ],
                },
              },
              {
                name: "http.server.request.duration",
                description: "durations",
                unit: "s",
                histogram: {
                  aggregationTemporality: 2,
                  dataPoints: [
                    {
                      attributes: [
                        { key: "http.request.method", value: { stringValue: "GET" } },
                        { key: "http.response.status_code", value: { intValue: "200" } },
                      ],
                      ...times,
                      count: "2",
                      sum: 4.25,
                      bucketCounts: ["0", "1", "1"],
                      explicitBounds: [0.005, 1],
                    },
                  ],
                },
              },
              {
                name: "circuit_breaker.state",
                description: "state",
                unit: "1",
                gauge: {
                  dataPoints: [
                    {
                      attributes: [{ key: "state", value: { stringValue: "open" } }],
                      timeUnixNano: times.timeUnixNano,
                      asDouble: 1,
                    },
                  ],
                },
              },
            ],
          },
        ],
      },
    ],
  });
});

test("what found no room says so", () => {
  const meter = createMeter({ now: () => 0, maxSeries: 1 });
  const counter = meter.counter({ name: "c", description: "", labels: ["a"] });
  for (const value of ["x", "y", "z"]) counter.series(value).add(1);
  const { resourceMetrics } = otlpMetrics(meter.collect(), {}, SCOPE);
  expect(resourceMetrics[0]?.scopeMetrics[0]?.metrics).toMatchObject([
    {
      sum: {
        dataPoints: [
          { asInt: "1" },
          { attributes: [{ key: "otel.metric.overflow", value: { boolValue: true } }], asInt: "2" },
        ],
      },
    },
  ]);
});

test("of a clock that was set back no series ends before it starts", () => {
  let nowMs = 5_000;
  const meter = createMeter({ now: () => nowMs });
  meter.counter({ name: "c", description: "", labels: [] }).series().add(1);
  nowMs = 4_000;
  const text = JSON.stringify(otlpMetrics(meter.collect(), {}, SCOPE));
  expect(text).toContain('"startTimeUnixNano":"4000000000","timeUnixNano":"4000000000"');
});
