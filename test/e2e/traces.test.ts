/** One request gives one trace, with what both tiers and the database have to tell of it, or none at all. */
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { Block } from "../../src/contract/admin.ts";
import { Order } from "../../src/contract/api/orders.ts";
import { contract } from "../../src/contract/contract.ts";
import type { Route } from "../../src/contract/route.ts";
import type { Span } from "../../src/local/telemetry/otlp.ts";
import { startTelemetryReceiver, type TelemetryReceiver } from "../../src/local/telemetry/receiver.ts";
import { sampleProductId } from "../../src/origin/api/sample-data.ts";
import { isSampled } from "../../src/telemetry/trace-context.ts";
import { type CallInit, type System, startSystem } from "../support/system.ts";
import {
  attemptsOf,
  childrenOf,
  EDGE,
  ORIGIN,
  rootsOf,
  servedBy,
  traceIdOfAnswer,
  wholeTrace,
} from "../support/traces.ts";

let receiver: TelemetryReceiver;
let system: System;
let key: string;
/** The first one that the edge has had. */
let first: Response;

beforeAll(async () => {
  receiver = await startTelemetryReceiver({ port: 0 });
  system = await startSystem({
    collectorUrl: receiver.url,
    // On a busy machine nothing is asked for twice, or elsewhere.
    edgeEnvironment: { REDIS_TIMEOUT_MS: "1000", HEDGE_BUDGET_PERCENT: "0", RETRY_BUDGET_PERCENT: "0" },
  });
  first = await system.call("/nowhere");
  key = (await system.createKey("alice")).key;
});
afterAll(async () => {
  await system?.stop();
  await receiver?.stop();
});

/** Of an answer's request. */
const traceOf = (answer: Response): Promise<readonly Span[]> =>
  wholeTrace(receiver.traces, traceIdOfAnswer(answer));

const order = { lines: [{ productId: sampleProductId(1), quantity: 1 }] };
const placedOrder = async (): Promise<string> => {
  const placed = await system.call("/v1/orders", { method: "POST", key, json: order });
  return Order.parse(await placed.json()).id;
};
const addedBlock = async (network: string): Promise<string> => {
  const json = { network, reason: "a test" };
  return Block.parse(await (await system.call("/admin/blocklist", { method: "POST", key, json })).json()).id;
};

interface RouteCase {
  /** What is asked for: the path, and what goes with it. */
  readonly ask: () => Promise<readonly [path: string, init: CallInit]>;
  /** Names of what is done at the database for it, in their order; empty where there is nothing to be done. */
  readonly statements: readonly string[];
}

const READS_ORDER = "SELECT order_lines";
/** An access is kept before the write that it is of. */
const KEPT_ACCESS = "INSERT security_event_outbox";

const CASES: Readonly<Record<string, RouteCase>> = {
  listProducts: {
    ask: async () => ["/v1/products?limit=3", {}],
    statements: ["SELECT products"],
  },
  getProduct: {
    ask: async () => [`/v1/products/${sampleProductId(2)}`, {}],
    statements: ["SELECT products"],
  },
  createProduct: {
    ask: async () => [
      "/v1/products",
      { key, json: { name: "Lantern", price: { amount: 1, currency: "EUR" }, stock: 1 } },
    ],
    statements: ["INSERT products"],
  },
  updateProduct: {
    ask: async () => {
      const path = `/v1/products/${sampleProductId(3)}`;
      const etag = (await system.call(path)).headers.get("etag") ?? "";
      return [path, { key, json: { stock: 7 }, headers: { "if-match": etag } }];
    },
    statements: ["SELECT products", "UPDATE products"],
  },
  placeOrder: {
    ask: async () => ["/v1/orders", { key, json: order }],
    statements: ["WITH products", KEPT_ACCESS, "COMMIT"],
  },
  listOrders: { ask: async () => ["/v1/orders", { key }], statements: [READS_ORDER] },
  getOrder: { ask: async () => [`/v1/orders/${await placedOrder()}`, { key }], statements: [READS_ORDER] },
  cancelOrder: {
    ask: async () => [`/v1/orders/${await placedOrder()}/cancel`, { key }],
    statements: [READS_ORDER, "WITH orders", KEPT_ACCESS, "COMMIT"],
  },
  listBlocks: { ask: async () => ["/admin/blocklist", { key }], statements: ["SELECT blocklist"] },
  addBlock: {
    ask: async () => ["/admin/blocklist", { key, json: { network: "192.0.2.0/24", reason: "a test" } }],
    statements: ["WITH blocklist", KEPT_ACCESS, "COMMIT"],
  },
  removeBlock: {
    ask: async () => [`/admin/blocklist/${await addedBlock("198.51.100.0/24")}`, { key }],
    statements: ["WITH blocklist", KEPT_ACCESS, "COMMIT"],
  },
  getOpenApi: { ask: async () => ["/openapi.json", {}], statements: [] },
  getDocs: { ask: async () => ["/docs", {}], statements: [] },
  getDocsScript: { ask: async () => ["/docs/app.js", {}], statements: [] },
  getDocsStyle: { ask: async () => ["/docs/app.css", {}], statements: [] },
};

/** The list of orders, at an origin. */
const isServed = ({ service, name }: Span): boolean => service === ORIGIN && name === "GET /v1/orders";
const isStatement = ({ attributes }: Span): boolean => attributes["db.system.name"] === "postgresql";

describe("a request of the route", () => {
  /** All of them at once, so that they are waited for once. */
  const answers = new Map<string, Response>();
  beforeAll(async () => {
    for (const [name, { method }] of Object.entries<Route>(contract)) {
      const [path, init] = (await CASES[name]?.ask()) ?? [];
      if (path !== undefined) answers.set(name, await system.call(path, { method, ...init }));
    }
  });

  test.each(Object.entries<Route>(contract))("%s gives one trace of both tiers", async (name, route) => {
    const each = CASES[name];
    const answer = answers.get(name);
    if (each === undefined || answer === undefined) throw new Error(`${name} is not asked for here yet`);
    expect(answer.status).toBeLessThan(300);
    const requestId = answer.headers.get("x-request-id") ?? "";
    const spans = await traceOf(answer);
    const told = { "http.request.method": route.method, "http.route": route.path };

    const [root, ...others] = rootsOf(spans);
    expect(others).toEqual([]);
    expect(root).toMatchObject({
      service: EDGE,
      kind: "server",
      name: `${route.method} ${route.path}`,
      status: "unset",
      traceId: requestId.replaceAll("-", ""),
      attributes: {
        ...told,
        "http.response.status_code": answer.status,
        "breakwater.request_id": requestId,
      },
    });

    const [attempt, ...further] = attemptsOf(spans);
    expect(further).toEqual([]);
    const { port } = new URL(system.origins[0]?.url ?? "");
    expect(attempt).toMatchObject({
      service: EDGE,
      kind: "client",
      name: route.method,
      status: "unset",
      parentSpanId: root?.spanId,
      attributes: {
        "http.request.method": route.method,
        "http.response.status_code": answer.status,
        "server.address": "127.0.0.1",
        "server.port": Number(port),
        "breakwater.attempt.number": 1,
        "breakwater.attempt.cause": "first",
        "breakwater.attempt.outcome": "answered",
      },
    });
    expect(attempt?.attributes).not.toHaveProperty(["http.request.resend_count"]);

    expect(childrenOf(spans, attempt)).toHaveLength(1);
    const served = servedBy(spans, attempt);
    expect(served).toMatchObject({
      service: ORIGIN,
      kind: "server",
      name: `${route.method} ${route.path}`,
      status: "unset",
      attributes: {
        ...told,
        "http.response.status_code": answer.status,
        "breakwater.request_id": requestId,
      },
    });

    const statements = spans.filter(isStatement);
    expect(statements.map((each) => each.name).sort()).toEqual([...each.statements].sort());
    for (const statement of statements) {
      expect(statement).toMatchObject({
        service: ORIGIN,
        kind: "client",
        status: "unset",
        parentSpanId: served?.spanId,
        attributes: {
          "db.operation.name": statement.name.split(" ")[0],
          "db.query.text": expect.stringMatching(/^[A-Z]/),
          "breakwater.breaker.state": "closed",
        },
      });
    }
    // Of the same machine's clock.
    for (const { startMs, endMs } of spans) expect(endMs).toBeGreaterThanOrEqual(startMs);
  });

  test("that is asked for by HEAD is told as such", async () => {
    const answer = await system.call("/v1/products?limit=4", { method: "HEAD" });
    const spans = await traceOf(answer);
    expect(rootsOf(spans)).toMatchObject([
      { name: "HEAD /v1/products", attributes: { "http.request.method": "HEAD" } },
    ]);
    expect(attemptsOf(spans)).toMatchObject([{ name: "HEAD" }]);
  });
});

test("a path that no route has gives one span, which says the method and nothing of the path", async () => {
  const answer = await system.call("/planted-path/planted-part?planted-name=planted-value");
  expect(answer.status).toBe(404);
  const spans = await traceOf(answer);
  expect(spans.filter(({ kind }) => kind === "server")).toMatchObject([
    { name: "GET", service: EDGE, attributes: { "breakwater.guard": "route" } },
  ]);
  expect(attemptsOf(spans)).toEqual([]);
  expect(spans[0]?.attributes).not.toHaveProperty(["http.route"]);
  expect(JSON.stringify(spans)).not.toContain("planted");
});

test("a request's span says what its limit and the cache have made of it", async () => {
  const path = `/v1/products/${sampleProductId(5)}`;
  const told = async (answer: Response) => rootsOf(await traceOf(answer))[0]?.attributes;
  expect(await told(await system.call(path))).toMatchObject({
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
  expect(await told(again)).toMatchObject({ "breakwater.cache.outcome": "hit" });
});

const ARRIVES = { timeout: 10_000, interval: 50 };

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

/** Both tiers' lines of a request. */
const accessOf = async (traceId: string): Promise<{ edge: AccessLine[]; origin: AccessLine[] }> => {
  const lines = () => ({
    edge: accessLinesOf(system.edgeLogLines, traceId),
    origin: accessLinesOf(system.logLines, traceId),
  });
  await expect.poll(() => Object.values(lines()).every(({ length }) => length > 0), ARRIVES).toBe(true);
  return lines();
};

test("the access line of each tier names the trace, and its own tier's span", async () => {
  const answer = await system.call("/v1/orders", { key });
  const traceId = traceIdOfAnswer(answer);
  const told = {
    requestId: answer.headers.get("x-request-id"),
    trace_id: traceId,
    sampled: true,
    "http.route": "/v1/orders",
  };
  const spans = await traceOf(answer);
  const { edge, origin } = await accessOf(traceId);
  expect(edge).toMatchObject([{ ...told, span_id: rootsOf(spans)[0]?.spanId }]);
  expect(origin).toMatchObject(spans.filter(isServed).map(({ spanId }) => ({ ...told, span_id: spanId })));
});

describe("where a share of traces is kept", () => {
  const COUNT = 200;
  /** Of so many with an even chance: once in a million it is further from the half. */
  const FARTHEST = 36;

  const AT_ONCE = 10;

  /** Asks so often. @returns the answers' trace ids, in the order of their requests */
  const idsOf = async (url: string, count: number, headers = {}): Promise<string[]> => {
    const init = { headers: { authorization: `Bearer ${key}`, ...headers } };
    const ids: string[] = [];
    const ask = async (): Promise<void> => {
      while (ids.length < count) {
        const place = ids.push("") - 1;
        const answer = await fetch(url, init);
        expect(answer.status).toBe(200);
        ids[place] = traceIdOfAnswer(answer);
      }
    };
    await Promise.all(Array.from({ length: AT_ONCE }, ask));
    return ids;
  };

  test("none is where it is 0, in neither tier, and lines of the log still name the trace", async () => {
    const ids = await idsOf(`${await system.startEdge({ OTEL_TRACES_SAMPLER_ARG: "0" })}/v1/orders`, 5);
    for (const id of ids) {
      const { edge, origin } = await accessOf(id);
      for (const line of [...edge, ...origin]) {
        expect(line).toMatchObject({ trace_id: id, sampled: false });
        expect(line).not.toHaveProperty("span_id");
      }
    }
    // What was asked for after them has arrived.
    await traceOf(await system.call("/v1/orders", { key }));
    expect(ids.filter((id) => receiver.traces.get(id) !== undefined)).toEqual([]);
  });

  test("half of them are where it is a half, each whole or not at all", async () => {
    const ids = await idsOf(`${await system.startEdge({ OTEL_TRACES_SAMPLER_ARG: "0.5" })}/v1/orders`, COUNT);
    const kept: string[] = [];
    for (const id of ids) {
      const { edge, origin } = await accessOf(id);
      const sampled = new Set([...edge, ...origin].map((line) => line.sampled));
      expect(sampled.size).toBe(1);
      if (sampled.has(true)) kept.push(id);
    }
    expect(Math.abs(kept.length - COUNT / 2)).toBeLessThan(FARTHEST);
    for (const id of kept) {
      const spans = await wholeTrace(receiver.traces, id);
      expect(rootsOf(spans)).toMatchObject([{ service: EDGE }]);
      const served = spans.filter(isServed);
      expect(served.length).toBeGreaterThanOrEqual(1);
      for (const each of served) expect(childrenOf(spans, each).filter(isStatement)).toHaveLength(1);
    }
    await traceOf(await system.call("/v1/orders", { key }));
    const left = ids.filter((id) => !kept.includes(id));
    expect(left.filter((id) => receiver.traces.get(id) !== undefined)).toEqual([]);
  });

  test("an origin that guards itself decides for itself, whatever a client says of traces", async () => {
    const origin = await system.startOrigin({ GUARDS: "origin", OTEL_TRACES_SAMPLER_ARG: "0.5" });
    const foreign = "4bf92f3577b34da6a3ce929d0e0e4736";
    const parent = "00f067aa0ba902b7";
    const said = (flags: string) => ({
      traceparent: `00-${foreign}-${parent}-${flags}`,
      tracestate: "vendor=planted",
      "breakwater-context": `client="192.0.2.1", auth=none, timeout-ms=1, attempt=1, span="${parent}"`,
    });
    const url = `${origin.url}/v1/orders`;
    const ids = [...(await idsOf(url, 25, said("01"))), ...(await idsOf(url, 25, said("00")))];
    const kept = ids.filter((id) => isSampled(id, 0.5));
    for (const id of kept) {
      const spans = await wholeTrace(receiver.traces, id);
      const [root, ...others] = rootsOf(spans);
      expect(others).toEqual([]);
      expect(root).toMatchObject({ name: "GET /v1/orders", service: ORIGIN, kind: "server" });
      expect(
        childrenOf(spans, root)
          .filter(isStatement)
          .map(({ name }) => name),
      ).toContain(READS_ORDER);
    }
    expect(ids.filter((id) => receiver.traces.get(id) !== undefined)).toEqual(kept);
    expect(receiver.traces.get(foreign)).toBeUndefined();
    const [one = ""] = ids.filter((id) => !kept.includes(id));
    await expect.poll(() => accessLinesOf(system.logLines, one), ARRIVES).toMatchObject([{ sampled: false }]);
  });
});

// The blocklist is asked for in the background of some request, and is no part of what that was.
test("what the edge fetches for itself is in no request's trace", async () => {
  expect(await traceOf(first)).toHaveLength(1);
});
