import { DataPointType } from "@opentelemetry/sdk-metrics";
import { beforeEach, describe, expect, test } from "vitest";
import { createEdgeMetrics, type EdgeMetrics } from "../../../src/edge/telemetry/metrics.ts";
import type { AttemptRecord } from "../../../src/edge/upstream/attempt.ts";
import { RETRY_DENIALS } from "../../../src/edge/upstream/client.ts";
import { GUARD_NAMES } from "../../../src/middleware/guards.ts";
import { createMetrics, type Metrics } from "../../../src/telemetry/meter-provider.ts";

const ORIGINS = [
  { url: "https://one.example.com", authority: "one.example.com", weight: 1 },
  { url: "http://two.example.com:8080", authority: "two.example.com:8080", weight: 1 },
];

let collected: Metrics;
let metrics: EdgeMetrics;

beforeEach(() => {
  collected = createMetrics();
  metrics = createEdgeMetrics(collected.meter, ORIGINS, "1");
});

const metricCalled = async (name: string) =>
  (await collected.collect()).find(({ descriptor }) => descriptor.name === name);

/** Labels and value of each series of a counter or gauge. */
const valuesOf = async (name: string) => {
  const metric = await metricCalled(name);
  if (metric?.dataPointType !== DataPointType.SUM && metric?.dataPointType !== DataPointType.GAUGE) return [];
  return metric.dataPoints.map(({ attributes, value }) => ({ ...attributes, value }));
};

/** Without the series that are still 0. */
const countsOf = async (name: string) => (await valuesOf(name)).filter(({ value }) => value > 0);

/** Labels, count and sum of each series of a histogram. */
const durationsOf = async (name: string) => {
  const metric = await metricCalled(name);
  if (metric?.dataPointType !== DataPointType.HISTOGRAM) return [];
  return metric.dataPoints.map(({ attributes, value: { count, sum } }) => ({ ...attributes, count, sum }));
};

const ROUTE = { method: "GET", path: "/products/:id" } as const;

const attempt = (fields: Partial<AttemptRecord>, status: number | undefined = undefined): void => {
  const record = { number: 1, cause: "first", origin: 0, outcome: "answered", durationMs: 500 } as const;
  metrics.observe({ type: "attempt", method: "GET", status, attempt: { ...record, ...fields } });
};

describe("requests", () => {
  test("are measured in seconds by method, route, status and the edge's version", async () => {
    metrics.request(ROUTE, 200, 20);
    metrics.request(ROUTE, 200, 30);
    metrics.request({ method: "GET", path: "" }, 404, 5);
    const all = { "service.version": "1", "http.request.method": "GET" };
    expect(await durationsOf("http.server.request.duration")).toEqual([
      {
        ...{ ...all, "http.route": "/products/:id", "http.response.status_code": 200 },
        ...{ count: 2, sum: expect.closeTo(0.05) },
      },
      { ...all, "http.response.status_code": 404, count: 1, sum: 0.005 },
    ]);
    expect((await metricCalled("http.server.request.duration"))?.dataPoints[0]?.value).toMatchObject({
      buckets: { boundaries: [0.005, 0.01, 0.025, 0.05, 0.075, 0.1, 0.25, 0.5, 0.75, 1, 2.5, 5, 7.5, 10] },
    });
  });

  test("are counted by cache outcome, and by the guard that rejected them", async () => {
    metrics.cache(ROUTE, "hit");
    metrics.cache(ROUTE, "hit");
    metrics.cache(ROUTE, "stale_on_error");
    metrics.refused("limit");
    const about = { "http.route": "/products/:id" };
    expect(await valuesOf("cache.requests")).toEqual([
      { ...about, outcome: "hit", value: 2 },
      { ...about, outcome: "stale_on_error", value: 1 },
    ]);
    expect(await countsOf("guard.refusals")).toEqual([{ guard: "limit", value: 1 }]);
  });
});

describe("attempts at origins", () => {
  test("are counted by origin, cause and outcome", async () => {
    attempt({}, 200);
    attempt({ number: 2, cause: "retry", origin: 1, outcome: "broken" });
    attempt({ number: 2, cause: "hedge", origin: 1, outcome: "hedge_lost" });
    expect(await valuesOf("edge.attempts")).toEqual([
      { upstream: "one.example.com", cause: "first", outcome: "answered", value: 1 },
      { upstream: "two.example.com:8080", cause: "retry", outcome: "broken", value: 1 },
      { upstream: "two.example.com:8080", cause: "hedge", outcome: "hedge_lost", value: 1 },
    ]);
  });

  test.each<[AttemptRecord["outcome"], number | undefined, string | undefined]>([
    ["answered", 200, undefined],
    ["answered", 404, "404"],
    ["answered", 500, "500"],
    ["refused", 503, "503"],
    ["broken", undefined, "broken"],
    ["timed_out", undefined, "timed_out"],
    ["not_origin", undefined, "not_origin"],
    ["signature_rejected", undefined, "signature_rejected"],
  ])("with the outcome %s and status %s have the error type %s", async (outcome, status, error) => {
    attempt({ outcome }, status);
    expect(await durationsOf("http.client.request.duration")).toEqual([
      {
        "http.request.method": "GET",
        "server.address": "one.example.com",
        "server.port": 443,
        ...(status === undefined ? {} : { "http.response.status_code": status }),
        ...(error === undefined ? {} : { "error.type": error }),
        count: 1,
        sum: 0.5,
      },
    ]);
  });

  test("have no duration if another one overtook them: they were canceled", async () => {
    attempt({ outcome: "hedge_lost" });
    expect(await durationsOf("http.client.request.duration")).toEqual([]);
  });

  test("are counted by the reason if a retry is denied", async () => {
    metrics.observe({ type: "retry_denied", reason: "budget" });
    expect(await countsOf("edge.retries.denied")).toEqual([{ reason: "budget", value: 1 }]);
  });
});

test("limit decisions are counted by policy, outcome and mode, never by client", async () => {
  metrics.observe({
    type: "limit",
    route: "getProduct",
    result: {
      limit: { name: "reads", per: "client", capacity: 3, refillPerSecond: 1, onStoreFailure: "local" },
      outcome: "passed",
      mode: "lease",
      rule: { capacity: 3, refillPerSecond: 1 },
      remaining: 2,
      waitMs: 0,
    },
  });
  expect(await valuesOf("rate_limit.decisions")).toEqual([
    { policy: "reads", outcome: "passed", mode: "lease", value: 1 },
  ]);
});

test("a circuit breaker has one state at a time, and its changes and rejections are counted", async () => {
  const breaker: { state: "closed" | "open"; rejections: number; probeInMs: number } = {
    ...{ state: "closed", rejections: 0, probeInMs: 0 },
  };
  const changed = metrics.breakers.watch({ dependency: "origin", upstream: "one.example.com" }, breaker);
  const labels = { dependency: "origin", upstream: "one.example.com" };
  const states = (open: string) =>
    ["closed", "open", "half_open"].map((state) => ({ ...labels, state, value: state === open ? 1 : 0 }));
  expect(await valuesOf("circuit_breaker.state")).toEqual(states("closed"));
  expect(await valuesOf("circuit_breaker.state_changes")).toHaveLength(3);
  expect(await valuesOf("circuit_breaker.time_until_probe")).toEqual([{ ...labels, value: 0 }]);
  Object.assign(breaker, { state: "open", rejections: 5, probeInMs: 1_500 });
  changed("open");
  expect(await valuesOf("circuit_breaker.state")).toEqual(states("open"));
  expect(await countsOf("circuit_breaker.state_changes")).toEqual([{ ...labels, state: "open", value: 1 }]);
  expect(await valuesOf("circuit_breaker.rejections")).toEqual([{ ...labels, value: 5 }]);
  expect(await valuesOf("circuit_breaker.time_until_probe")).toEqual([{ ...labels, value: 1.5 }]);
});

test("the balancer's view of each origin is read at each export", async () => {
  const healthy = { scoreMs: 20, warmth: 1, isEjected: false, inFlight: 3, probeInMs: 0 };
  let views = [healthy, healthy];
  metrics.watchBalancer(() => views);
  views = [healthy, { scoreMs: 5_000, warmth: 0.1, isEjected: true, inFlight: 0, probeInMs: 400 }];
  const [one, two] = ["one.example.com", "two.example.com:8080"];
  for (const [name, first, second] of [
    ["score", 0.02, 5],
    ["warmth", 1, 0.1],
    ["ejected", 0, 1],
    ["in_flight", 3, 0],
  ] as const)
    expect(await valuesOf(`edge.origin.${name}`)).toEqual([
      { upstream: one, value: first },
      { upstream: two, value: second },
    ]);
});

test("exported and dropped telemetry is counted by signal and reason", async () => {
  metrics.counts.exported("traces", 12);
  metrics.counts.exported("metrics", 1);
  metrics.counts.dropped("traces", "queue_full", 1);
  metrics.counts.dropped("traces", "export_failed", 512);
  expect(await countsOf("telemetry.exported")).toEqual([
    { signal: "traces", value: 12 },
    { signal: "metrics", value: 1 },
  ]);
  expect(await countsOf("telemetry.dropped")).toEqual([
    { signal: "traces", reason: "queue_full", value: 1 },
    { signal: "traces", reason: "export_failed", value: 512 },
  ]);
});

test.each<[string, number]>([
  ["guard.refusals", GUARD_NAMES.length],
  ["edge.retries.denied", RETRY_DENIALS.length],
  ["telemetry.exported", 2],
  ["telemetry.dropped", 4],
])("%s has all its series from the start, so that rates are complete", async (name, series) => {
  const values = await valuesOf(name);
  expect(values).toHaveLength(series);
  for (const { value } of values) expect(value).toBe(0);
});
