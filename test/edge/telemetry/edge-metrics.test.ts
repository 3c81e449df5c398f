import { beforeEach, describe, expect, test } from "vitest";
import { createEdgeMetrics, type EdgeMetrics } from "../../../src/edge/telemetry/edge-metrics.ts";
import type { AttemptRecord } from "../../../src/edge/upstream/attempt.ts";
import { RETRY_DENIALS } from "../../../src/edge/upstream/client.ts";
import { GUARD_NAMES } from "../../../src/middleware/guards.ts";
import type { Transition } from "../../../src/resilience/circuit-breaker/circuit-breaker.ts";
import { createMeter, type Meter } from "../../../src/telemetry/metrics/meter.ts";

const ORIGINS = [
  { url: "https://one.example.com", authority: "one.example.com", weight: 1 },
  { url: "http://two.example.com:8080", authority: "two.example.com:8080", weight: 1 },
];

let meter: Meter;
let metrics: EdgeMetrics;
let rejected: number;

beforeEach(() => {
  rejected = 0;
  meter = createMeter({ now: () => 1_000 });
  metrics = createEdgeMetrics({ meter, origins: ORIGINS, redisRejections: () => rejected });
});

const metricCalled = (name: string) => meter.collect().metrics.find((metric) => metric.name === name);

/** What a counter or a gauge says: each series' labels, and its value. */
const valuesOf = (name: string) => {
  const metric = metricCalled(name);
  if (metric === undefined || metric.kind === "histogram") return [];
  return metric.points.map(({ attributes, value }) => ({ ...attributes, value }));
};

/** Without those that have not happened yet. */
const countsOf = (name: string) => valuesOf(name).filter(({ value }) => value > 0);

/** How often and for how long, of each of a histogram's series. */
const durationsOf = (name: string) => {
  const metric = metricCalled(name);
  if (metric?.kind !== "histogram") return [];
  return metric.points.map(({ attributes, count, sum }) => ({ ...attributes, count, sum }));
};

const REQUEST = {
  method: "GET",
  route: "/products/:id",
  status: 200,
  durationMs: 20,
  cacheOutcome: undefined,
  refusedBy: undefined,
} as const;

const attempt = (fields: Partial<AttemptRecord>, status: number | undefined = undefined): void => {
  const record = { number: 1, cause: "first", origin: 0, outcome: "answered", durationMs: 500 } as const;
  metrics.observe({
    type: "attempt",
    route: "getProduct",
    method: "GET",
    status,
    attempt: { ...record, ...fields },
  });
};

const changeTo = (to: Transition["to"]): Transition => ({
  from: "closed",
  to,
  reason: "failure_ratio",
  atMs: 1,
});

describe("requests", () => {
  test("are measured in seconds, by method, route and status", () => {
    metrics.request(REQUEST);
    metrics.request({ ...REQUEST, durationMs: 30 });
    metrics.request({ ...REQUEST, status: 404, durationMs: 5 });
    const about = { "http.request.method": "GET", "http.route": "/products/:id" };
    expect(durationsOf("http.server.request.duration")).toEqual([
      { ...about, "http.response.status_code": 200, count: 2, sum: expect.closeTo(0.05) },
      { ...about, "http.response.status_code": 404, count: 1, sum: 0.005 },
    ]);
    expect(metricCalled("http.server.request.duration")).toMatchObject({
      unit: "s",
      bounds: [0.005, 0.01, 0.025, 0.05, 0.075, 0.1, 0.25, 0.5, 0.75, 1, 2.5, 5, 7.5, 10],
    });
  });

  test("that no route fits have no route, and all the same are counted", () => {
    metrics.request({ ...REQUEST, route: "", status: 404, durationMs: 0 });
    expect(durationsOf("http.server.request.duration")).toEqual([
      { "http.request.method": "GET", "http.response.status_code": 404, count: 1, sum: 0 },
    ]);
  });

  test("are counted by what the cache made of them, where it was asked", () => {
    metrics.request({ ...REQUEST, cacheOutcome: "hit" });
    metrics.request({ ...REQUEST, cacheOutcome: "hit" });
    metrics.request({ ...REQUEST, cacheOutcome: "stale_on_error" });
    metrics.request(REQUEST);
    const about = { "http.route": "/products/:id" };
    expect(valuesOf("cache.requests")).toEqual([
      { ...about, outcome: "hit", value: 2 },
      { ...about, outcome: "stale_on_error", value: 1 },
    ]);
  });

  test("are counted by the guard that has refused them", () => {
    metrics.request({ ...REQUEST, status: 429, refusedBy: "limit" });
    metrics.request(REQUEST);
    expect(countsOf("guard.refusals")).toEqual([{ guard: "limit", value: 1 }]);
  });
});

describe("attempts at origins", () => {
  test("are counted by where they went, why, and what came of them", () => {
    attempt({}, 200);
    attempt({ number: 2, cause: "retry", origin: 1, outcome: "broken" });
    attempt({ number: 2, cause: "hedge", origin: 1, outcome: "hedge_lost" });
    expect(valuesOf("edge.attempts")).toEqual([
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
    ["hedge_lost", undefined, undefined],
  ])("that are %s, with %s, have %s as their error", (outcome, status, error) => {
    attempt({ outcome }, status);
    expect(durationsOf("http.client.request.duration")).toEqual([
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

  test("at an origin that nobody knows are counted all the same", () => {
    attempt({ origin: 7 }, 200);
    expect(valuesOf("edge.attempts")).toEqual([{ cause: "first", outcome: "answered", value: 1 }]);
  });

  test("that were not made again are counted by why", () => {
    metrics.observe({ type: "retry_denied", route: "getProduct", reason: "budget" });
    expect(countsOf("edge.retries.denied")).toEqual([{ reason: "budget", value: 1 }]);
  });
});

test("what a limit says is counted by its name, and by what gave the verdict: never by its client", () => {
  metrics.observe({
    type: "limit",
    route: "getProduct",
    result: {
      limit: {
        name: "reads",
        per: "client",
        capacity: 3,
        refillPerSecond: 1,
        onStoreFailure: "local",
      },
      outcome: "passed",
      mode: "lease",
      rule: { capacity: 3, refillPerSecond: 1 },
      remaining: 2,
      waitMs: 0,
    },
  });
  expect(valuesOf("rate_limit.decisions")).toEqual([
    { policy: "reads", outcome: "passed", mode: "lease", value: 1 },
  ]);
});

describe("circuit breakers", () => {
  test("are told of from the beginning: closed, Redis' and each origin's", () => {
    const open = valuesOf("circuit_breaker.state").filter(({ value }) => value === 1);
    expect(open).toEqual([
      { dependency: "redis", state: "closed", value: 1 },
      { dependency: "origin", state: "closed", upstream: "one.example.com", value: 1 },
      { dependency: "origin", state: "closed", upstream: "two.example.com:8080", value: 1 },
    ]);
    expect(metricCalled("circuit_breaker.state")?.unit).toBe("{state}");
  });

  test("are each in one state at a time", () => {
    metrics.transition("origin", changeTo("open"), "one.example.com");
    metrics.transition("redis", changeTo("half_open"), "");
    const states = valuesOf("circuit_breaker.state");
    expect(states).toHaveLength(9);
    expect(states.filter(({ value }) => value === 1)).toEqual([
      { dependency: "redis", state: "half_open", value: 1 },
      { dependency: "origin", state: "open", upstream: "one.example.com", value: 1 },
      { dependency: "origin", state: "closed", upstream: "two.example.com:8080", value: 1 },
    ]);
    expect(countsOf("circuit_breaker.state_changes")).toEqual([
      { dependency: "redis", state: "half_open", value: 1 },
      { dependency: "origin", state: "open", upstream: "one.example.com", value: 1 },
    ]);
  });

  test("have what they have rejected until then in a snapshot", () => {
    rejected = 5;
    expect(valuesOf("circuit_breaker.rejections")).toEqual([{ dependency: "redis", value: 5 }]);
  });

  test("have each rejection counted once, at the latest one collection later", () => {
    rejected = 5;
    meter.collect();
    expect(valuesOf("circuit_breaker.rejections")).toEqual([{ dependency: "redis", value: 5 }]);
    rejected = 7;
    meter.collect();
    expect(valuesOf("circuit_breaker.rejections")).toEqual([{ dependency: "redis", value: 7 }]);
  });
});

test("what becomes of telemetry itself is counted, by signal and by why it was lost", () => {
  metrics.exported("traces", 12);
  metrics.exported("metrics", 1);
  metrics.dropped("traces", "queue_full", 1);
  metrics.dropped("traces", "export_failed", 512);
  expect(countsOf("telemetry.exported")).toEqual([
    { signal: "traces", value: 12 },
    { signal: "metrics", value: 1 },
  ]);
  expect(countsOf("telemetry.dropped")).toEqual([
    { signal: "traces", reason: "queue_full", value: 1 },
    { signal: "traces", reason: "export_failed", value: 512 },
  ]);
});

test.each<[string, number]>([
  ["guard.refusals", GUARD_NAMES.length],
  ["edge.retries.denied", RETRY_DENIALS.length],
  ["circuit_breaker.rejections", 1],
  ["circuit_breaker.state_changes", 3 * (1 + ORIGINS.length)],
  ["telemetry.exported", 2],
  ["telemetry.dropped", 4],
])("%s is there from the beginning, so that its first increments are in a rate", (name, series) => {
  const values = valuesOf(name);
  expect(values).toHaveLength(series);
  for (const { value } of values) expect(value).toBe(0);
});
