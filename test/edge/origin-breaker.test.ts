/** The edge's circuit breaker of an origin, over real HTTP. */
import type { RequestListener } from "node:http";
import { afterEach, describe, expect, test } from "vitest";
import { ORIGIN_BREAKER, originBreaker, readEdgeConfig } from "../../src/edge/config.ts";
import type { OriginClientOptions, OriginResponse } from "../../src/edge/upstream/client.ts";
import { createBreakerMetrics } from "../../src/telemetry/instruments.ts";
import { createMetrics } from "../../src/telemetry/meter-provider.ts";
import {
  clientTo,
  contextOf,
  disconnect,
  gateway,
  hang,
  type Origin,
  respond,
  type SendOptions,
  startOrigin,
  startTwo,
  stopOrigins,
  stoppedClock,
  succeed,
  WRITE,
} from "./origins.ts";

afterEach(stopOrigins);

/** A client with a stopped clock, whose breakers stay open for their whole time. */
const start = (
  origins: readonly Origin[],
  random = () => 0.999,
  options: Partial<OriginClientOptions> = {},
) => {
  const { now, pass } = stoppedClock();
  const { send: sendOne, lines } = clientTo(origins, options, random, now);
  const send = async (options: SendOptions = {}): Promise<OriginResponse> =>
    (await sendOne({ retryMode: "never", ...options })).result;
  const sendMany = async (times: number, options: SendOptions = {}): Promise<OriginResponse[]> => {
    const results: OriginResponse[] = [];
    for (let turn = 0; turn < times; turn += 1) results.push(await send(options));
    return results;
  };
  return { send, sendMany, pass, lines };
};

const kindsOf = (results: readonly OriginResponse[]) => new Set(results.map(({ kind }) => kind));
const REJECTED = { kind: "unreachable", retryAfterS: 1 };

describe("five consecutive failures open the breaker:", () => {
  test.each<[string, RequestListener, OriginResponse["kind"]]>([
    ["broken connections", disconnect, "unreachable"],
    ["a gateway's 502", gateway(502), "not_origin"],
    ["a gateway's 503", gateway(503), "not_origin"],
    ["a gateway's 504", gateway(504), "not_origin"],
    ["the platform's 521, connection refused", gateway(521), "not_origin"],
    ["the platform's 530, host name not found", gateway(530), "not_origin"],
  ])("%s", async (_, handler, kind) => {
    const origin = await startOrigin(handler);
    const { sendMany, lines } = start([origin]);
    expect(kindsOf(await sendMany(5))).toEqual(new Set([kind]));
    const before = origin.received.length;
    expect(await sendMany(2)).toEqual([REJECTED, REJECTED]);
    expect(origin.received.length).toBe(before);
    expect(lines).toEqual([
      {
        level: "warn",
        message: "circuit breaker",
        dependency: "origin",
        origin: origin.authority,
        from: "closed",
        to: "open",
        reason: "consecutive_failures",
      },
    ]);
  });
});

test("timeouts count as failures", async () => {
  const breaker = { ...ORIGIN_BREAKER, failureThreshold: 2 };
  const { send, sendMany } = start([await startOrigin(hang)], () => 0.999, { breaker });
  expect(kindsOf(await sendMany(2, { deadlineMs: 500 }))).toEqual(new Set(["timed_out"]));
  expect(await send()).toEqual(REJECTED);
});

describe("the breaker stays closed if", () => {
  test.each([
    ["the origin responds 500", respond(500)],
    ["the origin responds 503 for a dependency", respond(503)],
    ["the origin responds 504, because it was slow", respond(504)],
    ["another server responds 404", gateway(404)],
    ["another server responds 500", gateway(500)],
  ])("%s", async (_, handler) => {
    const origin = await startOrigin(handler);
    const { sendMany, lines } = start([origin]);
    await sendMany(30);
    expect(origin.received.length).toBe(30);
    expect(lines).toEqual([]);
  });

  test("too little time was left for a response", async () => {
    const { sendMany, lines } = start([await startOrigin(hang)]);
    expect(kindsOf(await sendMany(10, { deadlineMs: 30 }))).toEqual(new Set(["timed_out"]));
    expect(lines).toEqual([]);
  });
});

test.each([
  [10_000, 9_900],
  [1_000, 900],
  [200, 180],
])("with %d ms left the origin gets %s ms", async (deadlineMs, timeoutMs) => {
  const origin = await startOrigin(succeed);
  await start([origin]).send({ deadlineMs });
  expect(contextOf(origin.received[0])?.timeoutMs).toBe(timeoutMs);
});

test("with all breakers open, requests are rejected until the first retry time", async () => {
  const origins = await startTwo(disconnect, disconnect);
  const { sendMany } = start(origins, Math.random);
  expect(kindsOf(await sendMany(40))).toEqual(new Set(["unreachable"]));
  for (const { received } of origins) expect(received.length).toBeGreaterThanOrEqual(5);
  expect(await sendMany(1)).toEqual([REJECTED]);
});

test("a request that no origin gets counts as a rejection by each breaker, and one that another origin gets does not", async () => {
  const { meter, collect } = createMetrics();
  const origins = await startTwo(disconnect, disconnect);
  const { now, pass } = stoppedClock();
  const { send, lines } = clientTo(origins, {}, Math.random, now, createBreakerMetrics(meter));
  const sendMany = async (times: number) => {
    const results: OriginResponse[] = [];
    for (let turn = 0; turn < times; turn += 1) results.push((await send(WRITE)).result);
    return results;
  };
  const rejections = async () => {
    const metric = (await collect()).find(
      ({ descriptor }) => descriptor.name === "circuit_breaker.rejections",
    );
    return metric?.dataPoints.map(({ attributes, value }) => ({ ...attributes, value }));
  };
  const each = (value: number) =>
    origins.map(({ authority }) => ({ dependency: "origin", upstream: authority, value }));

  expect(await rejections()).toEqual(each(0));
  const rejected = (await sendMany(40)).filter((result) => "retryAfterS" in result).length;
  expect(rejected).toBeGreaterThan(0);
  expect(await rejections()).toEqual(each(rejected));

  const [first, second] = origins;
  second.handle(succeed);
  pass(2_000);
  await sendMany(5);
  expect(kindsOf(await sendMany(20))).toEqual(new Set(["answered"]));
  expect(lines.findLast(({ origin }) => origin === first.authority)).toMatchObject({ to: "open" });
  expect(await rejections()).toEqual(each(rejected));
});

test("a recovered origin gets one probe at a time, and all requests after three", async () => {
  const waiting: (() => void)[] = [];
  const origin = await startOrigin(disconnect);
  const { send, sendMany, pass, lines } = start([origin]);
  await sendMany(5);
  expect(await send()).toEqual(REJECTED);

  origin.handle((request, response) => void waiting.push(() => succeed(request, response)));
  pass(500);
  for (let probe = 1; probe <= 3; probe += 1) {
    const probing = send();
    await expect.poll(() => waiting.length, { interval: 1 }).toBe(probe);
    expect(await send()).toEqual({ kind: "unreachable", retryAfterS: 10 });
    waiting[probe - 1]?.();
    expect(await probing).toMatchObject({ kind: "answered" });
  }
  origin.handle(succeed);
  expect(kindsOf(await sendMany(20))).toEqual(new Set(["answered"]));
  expect(lines.map(({ to }) => to)).toEqual(["open", "half_open", "closed"]);
});

test("the breaker of the only origin stays open for two seconds at most", async () => {
  const { send, sendMany, pass } = start([await startOrigin(disconnect)]);
  await sendMany(5);
  for (const openMs of [500, 1_000, 2_000, 2_000]) {
    pass(openMs - 10);
    expect(await send()).toMatchObject({ retryAfterS: 1 });
    pass(10);
    expect(await send()).toEqual({ kind: "unreachable" });
  }
});

test("without origins nothing can be reached", async () => {
  expect(await start([]).send()).toEqual({ kind: "unreachable" });
});

test("the breaker's options come from the edge's configuration", () => {
  const reading = readEdgeConfig({
    ORIGINS: "https://origin.example.com",
    SIGNING_KEYS: `k:${"A".repeat(43)}=`,
    UPSTASH_REDIS_REST_URL: "https://redis.example.com",
    UPSTASH_REDIS_REST_TOKEN: "token",
    CIRCUIT_BREAKER_FAILURE_THRESHOLD: "7",
    CIRCUIT_BREAKER_SUCCESS_THRESHOLD: "1",
    CIRCUIT_BREAKER_TIMEOUT_MS: "4000",
    CIRCUIT_BREAKER_HALF_OPEN_TIMEOUT_MS: "60000",
  });
  if (!reading.ok) throw new Error(reading.message);
  expect(originBreaker(reading.value)).toEqual({
    failureThreshold: 7,
    successThreshold: 1,
    timeoutMs: 4_000,
    halfOpenTimeoutMs: 60_000,
  });
});
