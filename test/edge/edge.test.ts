import type { RequestListener } from "node:http";
import { afterEach, describe, expect, test } from "vitest";
import { edgeRoutes } from "../../src/contract/edge-manifest.ts";
import { defineRoute } from "../../src/contract/route.ts";
import { readEdgeConfig } from "../../src/edge/config.ts";
import { createRedis } from "../../src/edge/stores/redis.ts";
import { askEdge, type EdgeOptions, startEdge } from "../support/ask-edge.ts";
import { serve, type TestServer } from "../support/listen.ts";
import { problemOf } from "../support/problem-of.ts";

const TIMEOUT_MS = 1_000;

const base = { summary: "", tag: "Test", responses: { 200: { description: "Done" } } } as const;
const inTime = { auth: "public", timeout: `${TIMEOUT_MS}ms` } as const;
const slow = defineRoute({ ...base, method: "GET", path: "/slow", policy: inTime });
const upload = defineRoute({
  ...base,
  method: "POST",
  path: "/upload",
  policy: { ...inTime, maxBody: 1000 },
});
const closed = defineRoute({
  ...base,
  method: "GET",
  path: "/closed",
  policy: { auth: { scopes: ["test"] } },
});

let upstream: TestServer | undefined;
afterEach(() => upstream?.stop());

const listen = async (handler: RequestListener): Promise<string> => {
  upstream = await serve(handler);
  return upstream.url;
};

const edgeTo = (origin: string, others: Partial<EdgeOptions> = {}) =>
  startEdge({ environment: { ORIGINS: origin }, routes: edgeRoutes({ slow, upload, closed }), ...others });

describe("a request to an origin", () => {
  test("is aborted at the route's deadline, and the response is 504", async () => {
    const aborted = Promise.withResolvers<void>();
    const origin = await listen((_, response) => void response.once("close", aborted.resolve));
    const response = await askEdge(edgeTo(origin), "/slow");
    expect((await problemOf(response)).code).toBe("deadline_exceeded");
    await aborted.promise;
  });

  test("gets 503 with Retry-After if the origin is unreachable", async () => {
    const origin = await listen(() => undefined);
    await upstream?.stop();
    const response = await askEdge(edgeTo(origin), "/slow");
    expect(response.headers.get("retry-after")).toBe("1");
    expect((await problemOf(response)).code).toBe("unavailable");
  });

  test("gets 502 if another server responds, without any of its response", async () => {
    const origin = await listen((_, response) => {
      response.writeHead(500, { "x-internal-host": "10.0.0.7" }).end("<h1>proxy error</h1>");
    });
    const response = await askEdge(edgeTo(origin), "/slow");
    expect(response.headers.has("x-internal-host")).toBe(false);
    expect((await problemOf(response)).code).toBe("bad_gateway");
  });

  test("carries only the listed header fields, and its response is passed on", async () => {
    const seen = Promise.withResolvers<string[]>();
    const origin = await listen((request, response) => {
      seen.resolve(Object.keys(request.headers).sort());
      response.writeHead(200, { "x-request-id": request.headers["x-request-id"] ?? "" }).end("done");
    });
    const headers = {
      cookie: "session=1",
      "x-forwarded-for": "1.2.3.4",
      "x-request-id": "mine",
      authorization: "x",
    };
    const response = await askEdge(edgeTo(origin), "/slow", { headers });
    expect(await response.text()).toBe("done");
    const names = await seen.promise;
    expect(names).toEqual(expect.arrayContaining(["signature", "signature-input", "breakwater-context"]));
    for (const name of ["cookie", "x-forwarded-for", "authorization"]) expect(names).not.toContain(name);
  });
});

test("a body that does not arrive within the deadline gets 408", async () => {
  const body = new ReadableStream({ start: (controller) => controller.enqueue(new Uint8Array(10)) });
  const request = new Request("http://edge/upload", { method: "POST", body, duplex: "half" });
  const response = await askEdge(edgeTo("http://127.0.0.1:9"), request);
  expect((await problemOf(response)).code).toBe("request_timeout");
});

test("a key gets 503, not 401, if neither Redis nor an origin can look it up", async () => {
  const key = `bwk_${"a".repeat(12)}_${"b".repeat(42)}c`;
  const response = await askEdge(edgeTo("http://127.0.0.1:9"), "/closed", {
    headers: { authorization: `Bearer ${key}` },
  });
  expect((await problemOf(response)).code).toBe("unavailable");
});

test("an invalid configuration is reported with all invalid keys and without values", () => {
  const reading = readEdgeConfig({ ORIGINS: "ftp://secret-host", SIGNING_KEYS: "k:c2hvcnQ=" });
  const message = reading.ok ? "" : reading.message;
  expect(message).toMatch(/^configuration: ORIGINS must be .*; SIGNING_KEYS must be /);
  expect(message).toMatch(/; UPSTASH_REDIS_REST_URL is missing; UPSTASH_REDIS_REST_TOKEN is missing$/);
  expect(message).not.toMatch(/secret-host|c2hvcnQ/);
});

test("an open breaker stops the calls of a Redis that hangs", async () => {
  let calls = 0;
  const hanging = await listen(() => {
    calls += 1;
  });
  const lines: Record<string, unknown>[] = [];
  const edge = edgeTo("http://127.0.0.1:9", {
    redis: createRedis({ url: hanging, token: "token", timeoutMs: 200 }),
    // The clock is stopped, so the breaker stays open.
    now: () => 1_800_000_000_000,
    random: () => 0.999,
    log: (entry) => lines.push(entry),
  });
  const headers = { authorization: `Bearer bwk_${"a".repeat(12)}_${"b".repeat(42)}c` };
  const codes: string[] = [];
  for (let turn = 0; turn < 12; turn += 1)
    codes.push((await problemOf(await askEdge(edge, "/closed", { headers }))).code);
  // The second source is an origin, which is unreachable.
  expect(new Set(codes)).toEqual(new Set(["unavailable"]));
  expect(calls).toBe(5);
  expect(lines).toContainEqual(
    expect.objectContaining({
      dependency: "redis",
      from: "closed",
      to: "open",
      reason: "consecutive_failures",
    }),
  );
});
