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
const inTime = { auth: "public", timeout: TIMEOUT_MS } as const;
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

describe("an origin", () => {
  test("that does not answer within the route's deadline is 504, and its request is aborted", async () => {
    const aborted = Promise.withResolvers<void>();
    const origin = await listen((_, response) => void response.once("close", aborted.resolve));
    const response = await askEdge(edgeTo(origin), "/slow");
    expect((await problemOf(response)).code).toBe("deadline_exceeded");
    await aborted.promise;
  });

  test("that cannot be reached is 503 with Retry-After", async () => {
    const origin = await listen(() => undefined);
    await upstream?.stop();
    const response = await askEdge(edgeTo(origin), "/slow");
    expect(response.headers.get("retry-after")).toBe("1");
    expect((await problemOf(response)).code).toBe("unavailable");
  });

  test("in whose place something else answers is 502, and nothing of that answer is shown", async () => {
    const origin = await listen((_, response) => {
      response.writeHead(500, { "x-internal-host": "10.0.0.7" }).end("<h1>proxy error</h1>");
    });
    const response = await askEdge(edgeTo(origin), "/slow");
    expect(response.headers.has("x-internal-host")).toBe(false);
    expect((await problemOf(response)).code).toBe("bad_gateway");
  });

  test("gets only the fields that are listed, and its answer goes on unchanged", async () => {
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

test("a body that does not arrive within the deadline is 408", async () => {
  const body = new ReadableStream({ start: (controller) => controller.enqueue(new Uint8Array(10)) });
  const request = new Request("http://edge/upload", { method: "POST", body, duplex: "half" });
  const response = await askEdge(edgeTo("http://127.0.0.1:9"), request);
  expect((await problemOf(response)).code).toBe("request_timeout");
});

test("a key that neither Redis nor an origin can tell about is 503, not 401", async () => {
  const key = `bwk_${"a".repeat(12)}_${"b".repeat(43)}`;
  const response = await askEdge(edgeTo("http://127.0.0.1:9"), "/closed", {
    headers: { authorization: `Bearer ${key}` },
  });
  expect((await problemOf(response)).code).toBe("unavailable");
});

test("a wrong configuration names every wrong key at once, and no value", () => {
  const reading = readEdgeConfig({ ORIGINS: "ftp://secret-host", SIGNING_KEYS: "k:c2hvcnQ=" });
  expect(reading).toMatchObject({
    ok: false,
    message:
      "configuration: ORIGINS must be addresses such as https://origin.example.com or https://origin.example.com;weight=2, without a path, with commas between them; " +
      "SIGNING_KEYS must be keys of at least 32 bytes; UPSTASH_REDIS_REST_URL is missing; UPSTASH_REDIS_REST_TOKEN is missing",
  });
});

test("Redis that does not answer is no longer asked once its breaker is open", async () => {
  let asked = 0;
  // Takes every request, and never answers.
  const hung = await listen(() => {
    asked += 1;
  });
  const lines: Record<string, unknown>[] = [];
  const edge = edgeTo("http://127.0.0.1:9", {
    redis: createRedis({ url: hung, token: "token", timeoutMs: 200 }),
    // Open for all of half a second, in which no time passes.
    now: () => 1_800_000_000_000,
    random: () => 0.999,
    log: (entry) => lines.push(entry),
  });
  const headers = { authorization: `Bearer bwk_${"a".repeat(12)}_${"b".repeat(43)}` };
  const codes: string[] = [];
  for (let turn = 0; turn < 12; turn += 1)
    codes.push((await problemOf(await askEdge(edge, "/closed", { headers }))).code);
  // What Redis cannot say is asked of an origin; there is none.
  expect(new Set(codes)).toEqual(new Set(["unavailable"]));
  expect(asked).toBe(5);
  expect(lines).toContainEqual(
    expect.objectContaining({
      dependency: "redis",
      from: "closed",
      to: "open",
      reason: "consecutive_failures",
    }),
  );
});
