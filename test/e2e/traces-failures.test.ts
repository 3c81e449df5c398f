/** What a trace shows where something goes wrong: attempts, breakers, what is stale, and who is refused. */
import { once } from "node:events";
import { request as ask, createServer, type Server } from "node:http";
import { afterAll, beforeAll, describe, expect, inject, test } from "vitest";
import { orders } from "../../src/contract/api/limits.ts";
import type { LocalOrigin } from "../../src/local/origin.ts";
import type { Span } from "../../src/local/telemetry/otlp.ts";
import { startTelemetryReceiver, type TelemetryReceiver } from "../../src/local/telemetry/receiver.ts";
import { limitsPublication, setOverride } from "../../src/origin/admin/limits.ts";
import { publish } from "../../src/origin/admin/publish.ts";
import { sampleProductId } from "../../src/origin/api/sample-data.ts";
import { type Door, startDoor } from "../support/door.ts";
import { type System, startSystem } from "../support/system.ts";
import {
  attemptsOf,
  childrenOf,
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
/** Another origin, whose way to the database can be shut. */
let odd: LocalOrigin;

beforeAll(async () => {
  receiver = await startTelemetryReceiver({ port: 0 });
  door = await startDoor(inject("servers").databaseUrl);
  system = await startSystem({
    collectorUrl: receiver.url,
    edgeEnvironment: { RATE_LIMITS: "enforce" },
  });
  key = (await system.createKey("alice")).key;
  const throughDoor = new URL(system.databaseUrl);
  throughDoor.port = String(door.port);
  odd = await system.startOrigin({ DATABASE_URL: throughDoor.href });
});
afterAll(async () => {
  await door?.open();
  await system?.stop();
  await door?.stop();
  await receiver?.stop();
});

const traceOf = (answer: Response): Promise<readonly Span[]> =>
  wholeTrace(receiver.traces, traceIdOfAnswer(answer));

const read = (edgeUrl: string, path = "/v1/orders", token = key): Promise<Response> =>
  fetch(`${edgeUrl}${path}`, { headers: { authorization: `Bearer ${token}` } });

const isStatement = ({ attributes }: Span): boolean => attributes["db.system.name"] === "postgresql";
const hasCause =
  (cause: string) =>
  ({ attributes }: Span): boolean =>
    attributes["breakwater.attempt.cause"] === cause;

const ARRIVES = { timeout: 15_000, interval: 50 };

/** An edge that asks the odd one first, unless it is worse. */
const edgeOfBoth = (environment = {}): Promise<string> =>
  system.startEdge({ ORIGINS: `${odd.url};weight=9999,${system.origins[0]?.url}`, ...environment });

describe("an attempt more", () => {
  test("beside one that takes too long is a hedge, and the one that lost is no error", async () => {
    const edge = await edgeOfBoth({ HEDGE_BUDGET_PERCENT: "100" });
    // So many tell how long the route takes.
    for (let turn = 0; turn < 30; turn += 1) expect((await read(edge)).status).toBe(200);
    door.shut();
    const isAnsweredHedge = (attempt: Span): boolean =>
      hasCause("hedge")(attempt) && attempt.attributes["breakwater.attempt.outcome"] === "answered";
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

  test("after one that has failed is a span beside it, and each has what its own origin did below it", async () => {
    const edge = await edgeOfBoth({ RETRY_BUDGET_PERCENT: "100" });
    await door.refuse();
    const answers: Response[] = [];
    const isRetried = (): boolean =>
      answers.some((answer) =>
        attemptsOf(receiver.traces.get(traceIdOfAnswer(answer))?.spans ?? []).some(hasCause("retry")),
      );
    await expect
      .poll(async () => {
        answers.push(await read(edge));
        return isRetried();
      }, ARRIVES)
      .toBe(true);
    const traces = await Promise.all(answers.map(traceOf));
    const spans = traces.find((each) => attemptsOf(each).some(hasCause("retry"))) ?? [];
    const [first, second, ...others] = attemptsOf(spans);
    expect(others).toEqual([]);
    const [root] = rootsOf(spans);
    expect(root).toMatchObject({ status: "unset", attributes: { "http.response.status_code": 200 } });
    expect(first).toMatchObject({
      parentSpanId: root?.spanId,
      status: "error",
      attributes: {
        "breakwater.attempt.number": 1,
        "http.response.status_code": 503,
        "error.type": expect.stringMatching(/^(503|not_executed)$/),
      },
    });
    expect(second).toMatchObject({
      parentSpanId: root?.spanId,
      status: "unset",
      attributes: {
        "breakwater.attempt.number": 2,
        "breakwater.attempt.cause": "retry",
        "breakwater.attempt.outcome": "answered",
        "http.request.resend_count": 1,
        "http.response.status_code": 200,
      },
    });
    const [failed, served] = [servedBy(spans, first), servedBy(spans, second)];
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

test("a statement that a breaker has rejected says so, and its request is an error in both tiers", async () => {
  const edge = await system.startEdge({
    ORIGINS: odd.url,
    CIRCUIT_BREAKER_FAILURE_THRESHOLD: "1000000",
    RETRY_BUDGET_PERCENT: "0",
  });
  await door.refuse();
  const answers: Response[] = [];
  const rejected = (): Span | undefined =>
    answers
      .flatMap((answer) => receiver.traces.get(traceIdOfAnswer(answer))?.spans ?? [])
      .find(({ attributes }) => attributes["error.type"] === "CircuitOpenError");
  await expect
    .poll(async () => {
      answers.push(await read(edge));
      return rejected() !== undefined;
    }, ARRIVES)
    .toBe(true);
  const spans = await wholeTrace(receiver.traces, rejected()?.traceId ?? "");
  const [root] = rootsOf(spans);
  expect(root).toMatchObject({
    status: "error",
    attributes: { "http.response.status_code": 503, "error.type": "503" },
  });
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

describe("what the edge's cache answers", () => {
  /** Stands between edge and origin, and tells that answers are so many seconds old. */
  let gateway: Server;
  let behind: LocalOrigin;
  let edge: string;
  let ageS = 0;

  beforeAll(async () => {
    gateway = createServer((request, response) => {
      const { method, headers, url = "" } = request;
      const onward = ask(`${behind.url}${url}`, { method, headers }, (answer) => {
        const { statusCode = 502 } = answer;
        response.writeHead(statusCode, { ...answer.headers, age: String(ageS) });
        answer.pipe(response);
      });
      request.pipe(onward);
    }).listen(0, "127.0.0.1");
    await once(gateway, "listening");
    const address = gateway.address();
    if (typeof address !== "object" || address === null) throw new Error("not listening");
    const authority = `127.0.0.1:${address.port}`;
    behind = await system.startOrigin({ ORIGIN_AUTHORITIES: authority });
    edge = await system.startEdge({ ORIGINS: `http://${authority}` });
  });
  afterAll(() => gateway?.close());

  /** Until the cache has it: it is put there behind the answer. */
  const answeredBy = async (path: string, detail: string): Promise<Response> => {
    let answer: Response | undefined;
    await expect
      .poll(async () => {
        answer = await read(edge, path);
        return answer.headers.get("cache-status");
      }, ARRIVES)
      .toContain(`detail=${detail}`);
    if (answer === undefined) throw new Error("no answer");
    return answer;
  };

  test("while a newer one is fetched is `stale`, and the fetching is in its trace", async () => {
    // Five seconds it is fresh, and half a minute more good enough for now.
    ageS = 10;
    const path = `/v1/products/${sampleProductId(1)}`;
    expect((await read(edge, path)).status).toBe(200);
    const spans = await traceOf(await answeredBy(path, "stale-while-revalidate"));
    expect(rootsOf(spans)).toMatchObject([
      { status: "unset", attributes: { "breakwater.cache.outcome": "stale" } },
    ]);
    const refreshed = await wholeTrace(
      receiver.traces,
      spans[0]?.traceId ?? "",
      (each) => attemptsOf(each).length > 0,
    );
    expect(attemptsOf(refreshed)).toMatchObject([{ name: "GET" }]);
  });

  test("because no origin can is `stale_on_error`, and no error", async () => {
    ageS = 60;
    const path = `/v1/products/${sampleProductId(2)}`;
    expect((await read(edge, path)).status).toBe(200);
    gateway.closeAllConnections();
    gateway.close();
    const answer = await answeredBy(path, "stale-if-error");
    const isTried = (each: readonly Span[]) => attemptsOf(each).length > 0;
    const told = (): readonly Span[] => receiver.traces.get(traceIdOfAnswer(answer))?.spans ?? [];
    await expect.poll(() => isTried(told()) && rootsOf(told()).length > 0, ARRIVES).toBe(true);
    const spans = told();
    expect(rootsOf(spans)).toMatchObject([
      {
        status: "unset",
        attributes: { "breakwater.cache.outcome": "stale_on_error", "http.response.status_code": 200 },
      },
    ]);
    expect(attemptsOf(spans)[0]).toMatchObject({
      status: "error",
      attributes: { "breakwater.attempt.outcome": "broken", "error.type": "broken" },
    });
  });
});

describe("a request that a guard refuses", () => {
  interface EventLine {
    readonly message?: string;
    readonly event?: { readonly id: string; readonly traceId: string; readonly requestId: string };
  }
  const eventsOf = (lines: readonly string[], traceId: string) =>
    lines
      .filter((line) => line.includes('"event":{') && line.includes(traceId))
      .flatMap((line) => {
        const { event }: EventLine = JSON.parse(line);
        return event === undefined ? [] : [event];
      });

  /** In the edge's log, and as it has arrived at an origin. */
  const expectEvent = async (answer: Response): Promise<void> => {
    const traceId = traceIdOfAnswer(answer);
    const requestId = answer.headers.get("x-request-id");
    const found = () => [eventsOf(system.edgeLogLines, traceId), eventsOf(system.logLines, traceId)];
    await expect
      .poll(found, { timeout: 10_000 })
      .toMatchObject([[{ traceId, requestId }], [{ traceId, requestId }]]);
    const [[logged] = [], [arrived] = []] = found();
    expect(arrived?.id).toBe(logged?.id);
  };

  test("for its limit says so, has no attempt, is no error, and its event names its trace", async () => {
    const bob = (await system.createKey("bob")).key;
    const numbers = { capacity: 1, refillPerSecond: 0.01 };
    await setOverride(system.pool, { limitName: orders.name, principal: "bob", ...numbers });
    await publish(limitsPublication, system);
    const order = () =>
      system.call("/v1/orders", {
        method: "POST",
        key: bob,
        json: { lines: [{ productId: sampleProductId(6), quantity: 1 }] },
      });
    expect((await order()).status).toBe(201);
    const refused = await order();
    expect(refused.status).toBe(429);
    const spans = await traceOf(refused);
    expect(rootsOf(spans)).toMatchObject([
      {
        name: "POST /v1/orders",
        status: "unset",
        attributes: {
          "breakwater.guard": "limit",
          "breakwater.limit.outcome": "limited",
          "http.response.status_code": 429,
        },
      },
    ]);
    expect(attemptsOf(spans)).toEqual([]);
    await expectEvent(refused);
  });

  test("for its key says so, has no attempt, is no error, and its event names its trace", async () => {
    const token = `bwk_${"a".repeat(12)}_${"b".repeat(43)}`;
    const refused = await read(system.edgeUrl, "/v1/orders", token);
    expect(refused.status).toBe(401);
    const spans = await traceOf(refused);
    expect(rootsOf(spans)).toMatchObject([
      {
        name: "GET /v1/orders",
        status: "unset",
        attributes: { "breakwater.guard": "authentication", "http.response.status_code": 401 },
      },
    ]);
    expect(attemptsOf(spans)).toEqual([]);
    await expectEvent(refused);
  });
});
