/** Traces of failures: attempts, breakers, stale responses and rejected requests. */
import { request as sendOn } from "node:http";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { orders } from "#api/contract/limits.ts";
import { sampleProductId } from "#api/origin/sample-data.ts";
import { type Door, startDoor } from "../../src/local/door.ts";
import type { LocalOrigin } from "../../src/local/origin.ts";
import type { Span } from "../../src/local/telemetry/otlp.ts";
import { startTelemetryReceiver, type TelemetryReceiver } from "../../src/local/telemetry/receiver.ts";
import { limitsPublication, setOverride } from "../../src/origin/admin/limits.ts";
import { publish } from "../../src/origin/admin/publish.ts";
import { serve, type TestServer } from "../support/listen.ts";
import { type System, startSystem } from "../support/system.ts";
import {
  ARRIVES,
  attemptsOf,
  childrenOf,
  isStatement,
  ORIGIN,
  rootsOf,
  servedBy,
  traceIdOfAnswer,
  wholeTrace,
} from "../support/traces.ts";

let receiver: TelemetryReceiver;
let door: Door;
let system: System;
let key: string;
/** Another origin, whose connections to the database can be shut. */
let odd: LocalOrigin;

beforeAll(async () => {
  receiver = await startTelemetryReceiver({ port: 0 });
  system = await startSystem({
    collectorUrl: receiver.url,
    edgeEnvironment: { RATE_LIMITS: "enforce" },
  });
  key = (await system.createKey("alice")).key;
  door = await startDoor(system.databaseUrl);
  odd = await system.startOrigin({ DATABASE_URL: door.url });
});
afterAll(async () => {
  await door?.open();
  await system?.stop();
  await door?.stop();
  await receiver?.stop();
});

const spansOf = (answer: Response): readonly Span[] =>
  receiver.traces.get(traceIdOfAnswer(answer))?.spans ?? [];
const traceOf = (answer: Response): Promise<readonly Span[]> =>
  wholeTrace(receiver.traces, traceIdOfAnswer(answer));

const read = (edgeUrl: string, path = "/v1/orders", token = key): Promise<Response> =>
  fetch(`${edgeUrl}${path}`, { headers: { authorization: `Bearer ${token}` } });

const isRetry = ({ attributes }: Span): boolean => attributes["breakwater.attempt.cause"] === "retry";
const isAnsweredHedge = ({ attributes }: Span): boolean =>
  attributes["breakwater.attempt.cause"] === "hedge" &&
  attributes["breakwater.attempt.outcome"] === "answered";

/** An edge that prefers the odd origin while it is healthy. */
const edgeOfBoth = (environment = {}): Promise<string> =>
  system.startEdge({ ORIGINS: `${odd.url};weight=9999,${system.origins[0]?.url}`, ...environment });

describe("another attempt", () => {
  test("beside a slow one is a hedge, and the one that lost is no error", async () => {
    const edge = await edgeOfBoth({ HEDGE_BUDGET_PERCENT: "100" });
    // The edge hedges after it has measured the route's latency.
    for (let turn = 0; turn < 30; turn += 1) expect((await read(edge)).status).toBe(200);
    door.shut();
    const hedged = () =>
      receiver.traces
        .all()
        .find(({ spans }) => rootsOf(spans).length > 0 && attemptsOf(spans).some(isAnsweredHedge));
    await expect
      .poll(async () => {
        expect((await read(edge)).status).toBe(200);
        return hedged() !== undefined;
      }, ARRIVES)
      .toBe(true);
    await door.open();
    const spans = await wholeTrace(receiver.traces, hedged()?.traceId ?? "");
    const [loser] = attemptsOf(spans);
    const winner = attemptsOf(spans).find(isAnsweredHedge);
    expect(loser).toMatchObject({
      status: "unset",
      attributes: { "breakwater.attempt.number": 1, "breakwater.attempt.outcome": "hedge_lost" },
    });
    expect(loser?.attributes).not.toHaveProperty(["error.type"]);
    expect(winner).toMatchObject({ status: "unset", attributes: { "http.response.status_code": 200 } });
    expect(winner?.attributes).not.toHaveProperty(["http.request.resend_count"]);
    expect(rootsOf(spans)).toMatchObject([{ status: "unset" }]);
    expect(servedBy(spans, winner)).toMatchObject({ status: "unset" });
    expect(servedBy(spans, loser)).toMatchObject({ parentSpanId: loser?.spanId });
  });

  test("after a failed one is its sibling, and each has its own origin's spans below it", async () => {
    const edge = await edgeOfBoth({ RETRY_BUDGET_PERCENT: "100" });
    await door.refuse();
    const answers: Response[] = [];
    await expect
      .poll(async () => {
        answers.push(await read(edge));
        return answers.some((answer) => attemptsOf(spansOf(answer)).some(isRetry));
      }, ARRIVES)
      .toBe(true);
    const traces = await Promise.all(answers.map(traceOf));
    const spans = traces.find((each) => attemptsOf(each).some(isRetry)) ?? [];
    const [root] = rootsOf(spans);
    expect(root).toMatchObject({ status: "unset", attributes: { "http.response.status_code": 200 } });
    expect(attemptsOf(spans)).toMatchObject([
      {
        parentSpanId: root?.spanId,
        status: "error",
        attributes: {
          "breakwater.attempt.number": 1,
          "http.response.status_code": 503,
          "error.type": expect.stringMatching(/^(503|not_executed)$/),
        },
      },
      {
        parentSpanId: root?.spanId,
        status: "unset",
        attributes: {
          "breakwater.attempt.number": 2,
          "breakwater.attempt.cause": "retry",
          "breakwater.attempt.outcome": "answered",
          "http.request.resend_count": 1,
          "http.response.status_code": 200,
        },
      },
    ]);
    const [failed, served] = attemptsOf(spans).map((attempt) => servedBy(spans, attempt));
    expect(failed).toMatchObject({
      service: ORIGIN,
      status: "error",
      attributes: { "http.response.status_code": 503, "error.type": "503" },
    });
    expect(childrenOf(spans, failed).filter(isStatement)).toMatchObject([{ status: "error" }]);
    expect(served).toMatchObject({ service: ORIGIN, status: "unset" });
    expect(childrenOf(spans, served).filter(isStatement)).toMatchObject([{ status: "unset" }]);
    expect(failed?.instance).not.toBe(served?.instance);
  });
});

test("a statement rejected by a breaker names its state, and its request is an error in both tiers", async () => {
  const edge = await system.startEdge({
    ORIGINS: odd.url,
    CIRCUIT_BREAKER_FAILURE_THRESHOLD: "1000000",
    RETRY_BUDGET_PERCENT: "0",
  });
  await door.refuse();
  const answers: Response[] = [];
  const rejected = (): Span | undefined =>
    answers.flatMap(spansOf).find(({ attributes }) => attributes["error.type"] === "CircuitOpenError");
  await expect
    .poll(async () => {
      answers.push(await read(edge));
      return rejected() !== undefined;
    }, ARRIVES)
    .toBe(true);
  const spans = await wholeTrace(receiver.traces, rejected()?.traceId ?? "");
  expect(rootsOf(spans)).toMatchObject([
    { status: "error", attributes: { "http.response.status_code": 503, "error.type": "503" } },
  ]);
  const [attempt] = attemptsOf(spans);
  expect(attempt).toMatchObject({ status: "error", attributes: { "http.response.status_code": 503 } });
  const served = servedBy(spans, attempt);
  expect(served).toMatchObject({ status: "error", attributes: { "error.type": "503" } });
  expect(childrenOf(spans, served).filter(isStatement)).toMatchObject([
    {
      name: "SELECT order_lines",
      status: "error",
      attributes: {
        "error.type": "CircuitOpenError",
        "breakwater.breaker.state": "open",
        "db.system.name": "postgresql",
      },
    },
  ]);
});

describe("a response of the edge's cache", () => {
  /** Between edge and origin; makes responses older. */
  let gateway: TestServer;
  let behind: LocalOrigin;
  let edge: string;
  let ageS = 0;

  beforeAll(async () => {
    gateway = await serve((request, response) => {
      const { method, headers, url = "" } = request;
      const onward = sendOn(`${behind.url}${url}`, { method, headers }, (answer) => {
        const { statusCode = 502 } = answer;
        response.writeHead(statusCode, { ...answer.headers, age: String(ageS) });
        answer.pipe(response);
      });
      request.pipe(onward);
    });
    behind = await system.startOrigin({ ORIGIN_AUTHORITIES: new URL(gateway.url).host });
    edge = await system.startEdge({ ORIGINS: gateway.url });
  });
  afterAll(() => gateway?.stop());

  /** Reads until the cache responds, because it is filled after the response. */
  const cachedAnswer = async (path: string, detail: string): Promise<Response> => {
    let answer: Response | undefined;
    await expect
      .poll(async () => {
        answer = await read(edge, path);
        return answer.headers.get("cache-status");
      }, ARRIVES)
      .toContain(`detail=${detail}`);
    if (answer === undefined) throw new Error("no response");
    return answer;
  };

  test("that is revalidated is `stale`, and the revalidation is in its trace", async () => {
    // Fresh for five seconds, and stale-while-revalidate for half a minute.
    ageS = 10;
    const path = `/v1/products/${sampleProductId(1)}`;
    expect((await read(edge, path)).status).toBe(200);
    const spans = await traceOf(await cachedAnswer(path, "stale-while-revalidate"));
    expect(rootsOf(spans)).toMatchObject([
      { status: "unset", attributes: { "breakwater.cache.outcome": "stale" } },
    ]);
    const traceId = spans[0]?.traceId ?? "";
    const whole = await wholeTrace(receiver.traces, traceId, (each) => attemptsOf(each).length > 0);
    expect(attemptsOf(whole)).toMatchObject([{ name: "GET" }]);
  });

  test("without a reachable origin is `stale_on_error`, and no error", async () => {
    ageS = 60;
    const path = `/v1/products/${sampleProductId(2)}`;
    expect((await read(edge, path)).status).toBe(200);
    await gateway.stop();
    const answer = await cachedAnswer(path, "stale-if-error");
    await expect
      .poll(() => attemptsOf(spansOf(answer)).length > 0 && rootsOf(spansOf(answer)).length > 0, ARRIVES)
      .toBe(true);
    expect(rootsOf(spansOf(answer))).toMatchObject([
      {
        status: "unset",
        attributes: { "breakwater.cache.outcome": "stale_on_error", "http.response.status_code": 200 },
      },
    ]);
    expect(attemptsOf(spansOf(answer))[0]).toMatchObject({
      status: "error",
      attributes: { "breakwater.attempt.outcome": "broken", "error.type": "broken" },
    });
  });
});

interface EventLine {
  readonly event?: { readonly id: string; readonly traceId: string; readonly requestId: string };
}
const eventsIn = (lines: readonly string[], traceId: string) =>
  lines
    .filter((line) => line.includes('"event":{') && line.includes(traceId))
    .map((line): EventLine => JSON.parse(line))
    .flatMap(({ event }) => event ?? []);

/** Orders once more than bob's limit allows. */
const exceedLimit = async (): Promise<Response> => {
  const { key: bob } = await system.createKey("bob");
  const numbers = { capacity: 1, refillPerSecond: 0.01 };
  await setOverride(system.pool, { limitName: orders.name, principal: "bob", ...numbers });
  await publish(limitsPublication, system);
  const json = { lines: [{ productId: sampleProductId(6), quantity: 1 }] };
  const order = () => system.call("/v1/orders", { method: "POST", key: bob, json });
  expect((await order()).status).toBe(201);
  return await order();
};
const UNKNOWN_KEY = `bwk_${"a".repeat(12)}_${"b".repeat(42)}c`;

test.each<[string, string, () => Promise<Response>, Record<string, unknown>]>([
  [
    "its limit",
    "POST /v1/orders",
    exceedLimit,
    {
      "breakwater.guard": "limit",
      "breakwater.limit.outcome": "limited",
      "http.response.status_code": 429,
    },
  ],
  [
    "its key",
    "GET /v1/orders",
    () => read(system.edgeUrl, "/v1/orders", UNKNOWN_KEY),
    { "breakwater.guard": "authentication", "http.response.status_code": 401 },
  ],
])("a request rejected for %s has the guard, no attempt, no error, and an event with its trace id", async (...row) => {
  const [, name, send, attributes] = row;
  const rejected = await send();
  const spans = await traceOf(rejected);
  expect(rootsOf(spans)).toMatchObject([{ name, status: "unset", attributes }]);
  expect(attemptsOf(spans)).toEqual([]);

  const traceId = traceIdOfAnswer(rejected);
  const requestId = rejected.headers.get("x-request-id");
  // In the edge's log, and as it has arrived at an origin.
  const events = () => [eventsIn(system.edgeLogLines, traceId), eventsIn(system.logLines, traceId)];
  await expect.poll(events, ARRIVES).toMatchObject([[{ traceId, requestId }], [{ traceId, requestId }]]);
  const [[logged] = [], [arrived] = []] = events();
  expect(arrived?.id).toBe(logged?.id);
});
