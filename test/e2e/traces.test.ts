/** One request makes one trace, with the spans of both tiers and the database, or none at all. */
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { Order } from "#api/contract/orders.ts";
import { sampleProductId } from "#api/origin/sample-data.ts";
import { contract } from "../../src/contract/contract.ts";
import type { Span } from "../../src/local/telemetry/otlp.ts";
import { startTelemetryReceiver, type TelemetryReceiver } from "../../src/local/telemetry/receiver.ts";
import { isSampled } from "../../src/telemetry/trace-context.ts";
import { inParallel } from "../support/load.ts";
import { type CallInit, type System, startSystem } from "../support/system.ts";
import {
  ARRIVES,
  attemptsOf,
  childrenOf,
  EDGE,
  isStatement,
  ORIGIN,
  rootsOf,
  servedBy,
  traceIdOfAnswer,
  wholeTrace,
} from "../support/traces.ts";

let receiver: TelemetryReceiver;
let system: System;
let key: string;
/** The edge's first response. */
let first: Response;

beforeAll(async () => {
  receiver = await startTelemetryReceiver({ port: 0 });
  system = await startSystem({
    collectorUrl: receiver.url,
    // Without retries, hedges and fallbacks on a busy machine.
    edgeEnvironment: { REDIS_TIMEOUT_MS: "1000", HEDGE_BUDGET_PERCENT: "0", RETRY_BUDGET_PERCENT: "0" },
  });
  first = await system.call("/nowhere");
  key = (await system.createKey("alice")).key;
});
afterAll(async () => {
  await system?.stop();
  await receiver?.stop();
});

const traceOf = (answer: Response): Promise<readonly Span[]> =>
  wholeTrace(receiver.traces, traceIdOfAnswer(answer));

const order = { lines: [{ productId: sampleProductId(1), quantity: 1 }] };
const placedOrder = async (): Promise<string> => {
  const placed = await system.call("/v1/orders", { method: "POST", key, json: order });
  return Order.parse(await placed.json()).id;
};

const READS_ORDER = "SELECT order_lines";
/** An access event is stored in the write's own transaction. */
const STORES_ACCESS = "INSERT security_event_outbox";

describe("a request", () => {
  test.each<
    [name: keyof typeof contract, statements: string[], path: () => string | Promise<string>, CallInit?]
  >([
    ["listProducts", ["SELECT products"], () => "/v1/products?limit=3"],
    ["placeOrder", ["WITH products", STORES_ACCESS], () => "/v1/orders", { json: order }],
    ["getOrder", [READS_ORDER], async () => `/v1/orders/${await placedOrder()}`],
    [
      "cancelOrder",
      [READS_ORDER, "WITH orders", STORES_ACCESS, "COMMIT"],
      async () => `/v1/orders/${await placedOrder()}/cancel`,
    ],
    ["listBlocks", ["SELECT blocklist"], () => "/admin/blocklist"],
    ["getDocs", [], () => "/docs"],
  ])("of %s makes one trace of both tiers", async (name, statementNames, path, init) => {
    const route = contract[name];
    const answer = await system.call(await path(), { method: route.method, key, ...init });
    expect(answer.status).toBeLessThan(300);
    const requestId = answer.headers.get("x-request-id") ?? "";
    const spans = await traceOf(answer);
    const server = {
      kind: "server",
      name: `${route.method} ${route.path}`,
      status: "unset",
      attributes: {
        "http.request.method": route.method,
        "http.route": route.path,
        "http.response.status_code": answer.status,
        "breakwater.request_id": requestId,
      },
    };
    const traceId = requestId.replaceAll("-", "");
    expect(rootsOf(spans)).toMatchObject([{ ...server, service: EDGE, traceId }]);

    const { port } = new URL(system.origins[0]?.url ?? "");
    expect(attemptsOf(spans)).toMatchObject([
      {
        name: route.method,
        status: "unset",
        parentSpanId: rootsOf(spans)[0]?.spanId,
        attributes: {
          "http.request.method": route.method,
          "http.response.status_code": answer.status,
          "server.address": "127.0.0.1",
          "server.port": Number(port),
          "breakwater.attempt.number": 1,
          "breakwater.attempt.cause": "first",
          "breakwater.attempt.outcome": "answered",
        },
      },
    ]);
    const [attempt] = attemptsOf(spans);
    expect(attempt?.attributes).not.toHaveProperty(["http.request.resend_count"]);
    expect(childrenOf(spans, attempt)).toMatchObject([{ ...server, service: ORIGIN }]);

    const statements = spans.filter(isStatement);
    expect(statements.map((each) => each.name).sort()).toEqual(statementNames.toSorted());
    for (const statement of statements)
      expect(statement).toMatchObject({
        service: ORIGIN,
        kind: "client",
        status: "unset",
        parentSpanId: servedBy(spans, attempt)?.spanId,
        attributes: {
          "db.operation.name": statement.name.split(" ")[0],
          "db.query.text": expect.stringMatching(/^[A-Z]/),
          "breakwater.breaker.state": "closed",
        },
      });
    for (const { startMs, endMs } of spans) expect(endMs).toBeGreaterThanOrEqual(startMs);
  });

  test("with HEAD is recorded as HEAD", async () => {
    const answer = await system.call("/v1/products?limit=4", { method: "HEAD" });
    const spans = await traceOf(answer);
    expect(rootsOf(spans)).toMatchObject([
      { name: "HEAD /v1/products", attributes: { "http.request.method": "HEAD" } },
    ]);
    expect(attemptsOf(spans)).toMatchObject([{ name: "HEAD" }]);
  });

  test("has the outcomes of its limit and of the cache in its span", async () => {
    const path = `/v1/products/${sampleProductId(5)}`;
    const attributesOf = async (answer: Response) => rootsOf(await traceOf(answer))[0]?.attributes;
    expect(await attributesOf(await system.call(path))).toMatchObject({
      "breakwater.cache.outcome": "miss",
      "breakwater.limit.outcome": "passed",
      "breakwater.limit.mode": expect.stringMatching(/^(?:lease|store)$/),
    });
    let again = await system.call(path);
    await expect
      .poll(async () => {
        again = await system.call(path);
        return again.headers.get("cache-status");
      })
      .toContain("breakwater-edge; hit");
    expect(await attributesOf(again)).toMatchObject({ "breakwater.cache.outcome": "hit" });
  });

  // The edge fetches the blocklist in the background of its first request.
  test("has none of the edge's own requests in its trace", async () => {
    expect(await traceOf(first)).toHaveLength(1);
  });
});

interface AccessLine {
  readonly requestId: string;
  readonly trace_id: string;
  readonly span_id?: string;
  readonly sampled: boolean;
}

const accessLinesOf = (lines: readonly string[], traceId: string): AccessLine[] =>
  lines
    .filter((line) => line.includes('"message":"request"') && line.includes(traceId))
    .map((line): AccessLine => JSON.parse(line));

/** Both tiers' access lines of a request. */
const accessOf = async (traceId: string): Promise<{ edge: AccessLine[]; origin: AccessLine[] }> => {
  const lines = () => ({
    edge: accessLinesOf(system.edgeLogLines, traceId),
    origin: accessLinesOf(system.logLines, traceId),
  });
  await expect.poll(() => Object.values(lines()).every(({ length }) => length > 0), ARRIVES).toBe(true);
  return lines();
};

const listsOrders = ({ service, name }: Span): boolean => service === ORIGIN && name === "GET /v1/orders";

test("each tier's access line has the trace, and the tier's own span", async () => {
  const answer = await system.call("/v1/orders", { key });
  const traceId = traceIdOfAnswer(answer);
  const requestId = answer.headers.get("x-request-id");
  const fields = { requestId, trace_id: traceId, sampled: true, "http.route": "/v1/orders" };
  const spans = await traceOf(answer);
  const { edge, origin } = await accessOf(traceId);
  expect(edge).toMatchObject([{ ...fields, span_id: rootsOf(spans)[0]?.spanId }]);
  expect(origin).toMatchObject(
    spans.filter(listsOrders).map(({ spanId }) => ({ ...fields, span_id: spanId })),
  );
});

describe("sampling", () => {
  const COUNT = 200;
  /** A fair sample is further from the half once in a million. */
  const FARTHEST = 36;

  /** Sends requests. @returns their trace ids, in order */
  const idsOf = async (url: string, count: number, headers = {}): Promise<string[]> => {
    const init = { headers: { authorization: `Bearer ${key}`, ...headers } };
    const ids = Array.from({ length: count }, () => "");
    await inParallel([...ids.keys()], 10, async (n) => {
      const answer = await fetch(`${url}/v1/orders`, init);
      expect(answer.status).toBe(200);
      ids[n] = traceIdOfAnswer(answer);
    });
    return ids;
  };

  test("of 0 records no trace in either tier, but logs trace ids", async () => {
    const ids = await idsOf(await system.startEdge({ OTEL_TRACES_SAMPLER_ARG: "0" }), 5);
    for (const id of ids) {
      const { edge, origin } = await accessOf(id);
      for (const line of [...edge, ...origin]) {
        expect(line).toMatchObject({ trace_id: id, sampled: false });
        expect(line).not.toHaveProperty("span_id");
      }
    }
    // A later request's trace has arrived.
    await traceOf(await system.call("/v1/orders", { key }));
    expect(ids.filter((id) => receiver.traces.get(id) !== undefined)).toEqual([]);
  });

  test("of a half records half of the traces, each complete or not at all", async () => {
    const ids = await idsOf(await system.startEdge({ OTEL_TRACES_SAMPLER_ARG: "0.5" }), COUNT);
    const recorded: string[] = [];
    for (const id of ids) {
      const { edge, origin } = await accessOf(id);
      const sampled = new Set([...edge, ...origin].map((line) => line.sampled));
      expect(sampled.size).toBe(1);
      if (sampled.has(true)) recorded.push(id);
    }
    expect(Math.abs(recorded.length - COUNT / 2)).toBeLessThan(FARTHEST);
    for (const id of recorded) {
      const spans = await wholeTrace(receiver.traces, id);
      expect(rootsOf(spans)).toMatchObject([{ service: EDGE }]);
      const served = spans.filter(listsOrders);
      expect(served.length).toBeGreaterThanOrEqual(1);
      for (const each of served) expect(childrenOf(spans, each).filter(isStatement)).toHaveLength(1);
    }
    await traceOf(await system.call("/v1/orders", { key }));
    const others = ids.filter((id) => !recorded.includes(id));
    expect(others.filter((id) => receiver.traces.get(id) !== undefined)).toEqual([]);
  });

  test("by an origin that guards itself ignores the client's trace context", async () => {
    const origin = await system.startOrigin({ GUARDS: "origin", OTEL_TRACES_SAMPLER_ARG: "0.5" });
    const foreign = "4bf92f3577b34da6a3ce929d0e0e4736";
    const parent = "00f067aa0ba902b7";
    const fields = (flags: string) => ({
      traceparent: `00-${foreign}-${parent}-${flags}`,
      tracestate: "vendor=planted",
      "breakwater-context": `client="192.0.2.1", auth=none, timeout-ms=1, attempt=1, span="${parent}"`,
    });
    const ids = [
      ...(await idsOf(origin.url, 25, fields("01"))),
      ...(await idsOf(origin.url, 25, fields("00"))),
    ];
    const recorded = ids.filter((id) => isSampled(id, 0.5));
    for (const id of recorded) {
      const spans = await wholeTrace(receiver.traces, id);
      const [root, ...others] = rootsOf(spans);
      expect(others).toEqual([]);
      expect(root).toMatchObject({ name: "GET /v1/orders", service: ORIGIN, kind: "server" });
      const names = childrenOf(spans, root).filter(isStatement);
      expect(names.map(({ name }) => name)).toContain(READS_ORDER);
    }
    expect(ids.filter((id) => receiver.traces.get(id) !== undefined)).toEqual(recorded);
    expect(receiver.traces.get(foreign)).toBeUndefined();
    const [one = ""] = ids.filter((id) => !recorded.includes(id));
    await expect.poll(() => accessLinesOf(system.logLines, one), ARRIVES).toMatchObject([{ sampled: false }]);
  });
});
