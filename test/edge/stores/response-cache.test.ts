import { Hono } from "hono";
import { beforeEach, describe, expect, test } from "vitest";
import { internalHeaders } from "../../../src/contract/internal-headers.ts";
import { problem } from "../../../src/contract/problem.ts";
import { createLeasedFills } from "../../../src/edge/stores/leased-fills.ts";
import { createEdgeStore } from "../../../src/edge/stores/response-cache.ts";
import type { CacheRoute } from "../../../src/middleware/response-cache/cacheable.ts";
import type { FillResult } from "../../../src/middleware/response-cache/entry.ts";
import { createResponseCache, type FillOptions } from "../../../src/middleware/response-cache/index.ts";
import type { CacheVariables } from "../../../src/middleware/response-cache/respond.ts";
import { createMemoryStore, type MemoryStore } from "../../support/memory-store.ts";

const cached = { freshS: 5, staleWhileRevalidateS: 30, staleIfErrorS: 600 } as const;
const routes = {
  thing: {
    method: "GET",
    path: "/things/:id",
    fields: ["if-none-match"],
    parameters: [],
    policy: { auth: "public", cache: { ...cached, tags: ["things/:id"] } },
  },
  things: {
    method: "GET",
    path: "/things",
    fields: [],
    parameters: ["q", "limit"],
    policy: { auth: "public", cache: { ...cached, tags: ["things"] } },
  },
  change: { method: "POST", path: "/things", fields: [], parameters: [], policy: { auth: "public" } },
  plain: { method: "GET", path: "/plain", fields: [], parameters: [], policy: { auth: "public" } },
} as const satisfies Record<string, CacheRoute>;

interface OriginRequest extends FillOptions {
  readonly method: string;
  readonly requestId: string;
  readonly condition: string | undefined;
}

interface OriginResponse {
  readonly status?: number;
  readonly headers?: Record<string, string>;
  readonly body?: string;
}

/** Makes the origin's response; undefined if it never responds. */
type Origin = (request: OriginRequest) => OriginResponse | undefined;

const TIMEOUT_MS = 10_000;

const CACHE_CONTROL = "public, max-age=5, stale-while-revalidate=30, stale-if-error=600";
let origin: Origin;
let isReachable: boolean;
let arrived: OriginRequest[];
let store: MemoryStore;
/** Added to the test's start, or to the real time in tests in which leases expire, milliseconds. */
let laterMs: number;
let clock: () => number;
let version: number;

const fill = async (request: OriginRequest): Promise<FillResult> => {
  arrived.push(request);
  const response = origin(request);
  if (response === undefined) return await new Promise<never>(() => undefined);
  // A network has latency.
  await new Promise((resolve) => setTimeout(resolve, 2));
  if (!isReachable) return problem("unavailable");
  const { status = 200, headers = {}, body = "" } = response;
  return new Response(request.method === "HEAD" ? null : body, {
    status,
    headers: { [internalHeaders.requestId]: request.requestId, ...headers },
  });
};

const createIsolate = () => {
  const now = () => clock() + laterMs;
  const edgeStore = createEdgeStore({ cache: store, now, log: () => undefined });
  const cache = createResponseCache({
    tier: "edge",
    store: edgeStore,
    fills: createLeasedFills(edgeStore, now),
    now,
  });
  const app = new Hono<{ Variables: CacheVariables }>();
  app.use(async (c, next) => {
    const { origin: host, pathname, search } = new URL(c.req.url);
    c.set("requestId", crypto.randomUUID());
    c.set("target", { origin: host, path: pathname, query: search });
    c.set("waitUntil", (work) => void work.catch(() => undefined));
    await next();
  });
  for (const route of Object.values(routes)) {
    app.on(
      route.method,
      route.path,
      cache.handler({
        route: () => route,
        fill: (c, options) =>
          fill({
            ...options,
            method: c.req.method,
            requestId: c.get("requestId"),
            condition: options.isShared ? undefined : c.req.header("if-none-match"),
          }),
        waiter: () => ({ deadlineAtMs: now() + TIMEOUT_MS }),
      }),
    );
  }
  return app;
};

type Isolate = ReturnType<typeof createIsolate>;
let edge: Isolate;
/** Another isolate of the same place: it shares the platform's cache only. */
let otherEdge: Isolate;

beforeEach(() => {
  store = createMemoryStore();
  arrived = [];
  isReachable = true;
  laterMs = 0;
  const startedMs = Date.now();
  clock = () => startedMs;
  version = 1;
  origin = () => ({
    headers: { "cache-control": CACHE_CONTROL, etag: `"${version}"` },
    body: `version ${version}`,
  });
  edge = createIsolate();
  otherEdge = createIsolate();
});

const get = async (path: string, headers: Record<string, string> = {}, method = "GET") => {
  const response = await edge.request(`http://edge.test${path}`, { headers, method });
  return {
    status: response.status,
    body: await response.text(),
    cacheStatus: response.headers.get("cache-status"),
    age: response.headers.get("age"),
    headers: response.headers,
  };
};
const stored = () => expect.poll(() => store.keys.length).toBeGreaterThan(0);
const pass = (seconds: number): void => {
  laterMs += seconds * 1_000;
};

describe("a public response", () => {
  test("is stored, and answers the next request without the origin", async () => {
    const first = await get("/things/1");
    expect(first.cacheStatus).toBe("breakwater-edge; fwd=miss; stored");
    await stored();
    pass(2);
    const second = await get("/things/1");
    expect(second.body).toBe("version 1");
    expect(second.cacheStatus).toBe("breakwater-edge; hit; ttl=3");
    expect(second.age).toBe("2");
    expect(second.headers.get("cache-control")).toBe(CACHE_CONTROL);
    expect(second.headers.get("x-request-id")).not.toBe(first.headers.get("x-request-id"));
    expect([...second.headers.keys()].filter((name) => name.startsWith("breakwater-"))).toEqual([]);
    expect(arrived).toHaveLength(1);
  });

  test("keeps the age and the Cache-Status of the origin", async () => {
    origin = () => ({
      headers: { "cache-control": CACHE_CONTROL, age: "4", "cache-status": "breakwater-origin; hit; ttl=1" },
    });
    await get("/things/1");
    await stored();
    const { cacheStatus, age } = await get("/things/1");
    expect(cacheStatus).toBe("breakwater-origin; hit; ttl=1, breakwater-edge; hit; ttl=1");
    expect(age).toBe("4");
  });

  test("is served stale for a while, and revalidated in the background, once", async () => {
    await get("/things/1");
    await stored();
    pass(6);
    version = 2;
    const stale = await Promise.all(Array.from({ length: 20 }, () => get("/things/1")));
    expect(new Set(stale.map(({ body }) => body))).toEqual(new Set(["version 1"]));
    expect(stale[0]?.cacheStatus).toContain("detail=stale-while-revalidate");
    await expect.poll(async () => (await get("/things/1")).body).toBe("version 2");
    expect(arrived).toHaveLength(2);
    // The origin's own stale response would be no newer.
    expect(arrived[1]?.cacheControl).toBe("max-age=5");
  });

  test("is 304 for a client that has its version, from the cache and from the origin", async () => {
    const first = await get("/things/1", { "if-none-match": '"1"' });
    expect([first.status, first.body]).toEqual([304, ""]);
    expect(arrived[0]?.condition).toBeUndefined();
    await stored();
    expect((await get("/things/1", { "if-none-match": 'W/"1"' })).status).toBe(304);
    expect((await get("/things/1", { "if-none-match": '"0"' })).status).toBe(200);
    expect(arrived).toHaveLength(1);
  });

  test("answers HEAD without its body, and the response to HEAD is not stored", async () => {
    await get("/things/1", {}, "HEAD");
    expect(store.keys).toEqual([]);
    await get("/things/1");
    await stored();
    const head = await get("/things/1", {}, "HEAD");
    expect([head.status, head.body, head.headers.get("etag")]).toEqual([200, "", '"1"']);
    expect(arrived).toHaveLength(2);
  });
});

describe("not stored", () => {
  test.each([
    { why: "private", headers: { "cache-control": "private, max-age=60" } },
    { why: "without Cache-Control", headers: {} },
    { why: "no-store", headers: { "cache-control": "public, max-age=60, no-store" } },
    { why: "with a cookie", headers: { "cache-control": CACHE_CONTROL, "set-cookie": "a=b" } },
    { why: "with Vary", headers: { "cache-control": CACHE_CONTROL, vary: "accept" } },
  ])("is a response $why", async ({ headers }) => {
    origin = () => ({ headers, body: "mine" });
    expect((await get("/things/1")).cacheStatus).toBe("breakwater-edge; fwd=miss");
    await get("/things/1");
    expect(store.keys).toEqual([]);
    expect(arrived).toHaveLength(2);
  });

  test.each([404, 500, 503])("is a response with status %i", async (status) => {
    origin = () => ({ status, headers: { "cache-control": CACHE_CONTROL } });
    expect((await get("/things/1")).status).toBe(status);
    expect(store.keys).toEqual([]);
  });

  test("is a response of a route without a cache policy", async () => {
    expect((await get("/plain")).cacheStatus).toBeNull();
    expect(store.keys).toEqual([]);
  });

  test("is a response that the origin itself used for lack of a newer one", async () => {
    const cacheStatus = "breakwater-origin; fwd=stale; fwd-status=503; ttl=4; detail=stale-if-error";
    origin = () => ({
      headers: { "cache-control": CACHE_CONTROL, age: "1", "cache-status": cacheStatus },
    });
    await get("/things/1");
    await get("/things/1");
    expect(arrived).toHaveLength(2);
    expect(store.keys).toEqual([]);
  });
});

describe("the key", () => {
  test("is the path and the declared parameters in any order, and no field of the client", async () => {
    await get("/things?q=a&limit=5", { "x-forwarded-host": "evil.test", accept: "text/evil", cookie: "a=1" });
    await stored();
    await get("/things?limit=5&q=a", { authorization: "Bearer x", "cache-control": "no-cache" });
    expect(arrived).toHaveLength(1);
    expect(store.keys).toEqual(["http://edge.test/things?limit=5&q=a"]);
  });

  test.each([
    "/things?evil=1",
    "/things?q=a&q=b",
    "/things?q=a&evil",
    `/things?q=${"a".repeat(3_000)}`,
  ])("is missing, and the origin answers, for %.40s", async (path) => {
    expect((await get(path)).cacheStatus).toBe("breakwater-edge; fwd=bypass");
    await get(path);
    expect(arrived).toHaveLength(2);
    expect(store.keys).toEqual([]);
  });

  test("is missing for a condition that the origin rejects", async () => {
    await get("/things/1", { "if-none-match": "a".repeat(2_000) });
    expect(arrived[0]?.condition).toHaveLength(2_000);
  });
});

describe("while no origin responds", () => {
  const failures = {
    "is down": () => {
      isReachable = false;
    },
    "responds 503": () => {
      origin = () => ({ status: 503 });
    },
  };
  test.each(Object.entries(failures))("and %s, a stale response is used and marked", async (_, fail) => {
    await get("/things/1");
    await stored();
    fail();
    pass(60);
    const { status, body, cacheStatus, age } = await get("/things/1");
    expect([status, body]).toEqual([200, "version 1"]);
    expect(cacheStatus).toMatch(
      /^breakwater-edge; fwd=stale; fwd-status=503; ttl=-5\d; detail=stale-if-error$/,
    );
    expect(Number(age)).toBeGreaterThanOrEqual(60);
    // No request tries again for a moment.
    expect((await get("/things/1")).cacheStatus).toMatch(
      /^breakwater-edge; hit; ttl=-5\d; detail=stale-if-error$/,
    );
    pass(600);
    expect((await get("/things/1")).status).toBe(503);
  });

  test("no request waits longer than a second if there is a stale response", async () => {
    clock = Date.now;
    await get("/things/1");
    await stored();
    pass(60);
    origin = () => undefined;
    const startedMs = Date.now();
    expect((await get("/things/1")).cacheStatus).toContain("stale-if-error");
    expect(Date.now() - startedMs).toBeLessThan(2_000);
  });
});

describe("concurrent requests for one key", () => {
  test("cost the origin one request", async () => {
    const responses = await Promise.all(Array.from({ length: 100 }, () => get("/things/1")));
    expect(arrived).toHaveLength(1);
    expect(responses.filter(({ cacheStatus }) => cacheStatus?.includes("breakwater-edge; hit"))).toHaveLength(
      99,
    );
    expect(new Set(responses.map(({ body }) => body))).toEqual(new Set(["version 1"]));
  });

  test("have a response within two seconds if the one that fills dies", async () => {
    clock = Date.now;
    origin = () =>
      arrived.length === 1 ? undefined : { headers: { "cache-control": CACHE_CONTROL }, body: "second" };
    void edge.request("http://edge.test/things/1");
    await expect.poll(() => arrived.length).toBe(1);
    const startedMs = Date.now();
    const responses = await Promise.all(Array.from({ length: 50 }, () => get("/things/1")));
    expect(Date.now() - startedMs).toBeLessThan(2_000);
    expect(new Set(responses.map(({ body }) => body))).toEqual(new Set(["second"]));
    expect(arrived).toHaveLength(2);
  });

  test("do not queue for responses that are not stored", async () => {
    clock = Date.now;
    origin = () => ({ status: 404 });
    let isOver = false;
    /** @returns the most requests that the origin got while one of these waited */
    const readOn = async (): Promise<number> => {
      let overtaken = 0;
      while (!isOver) {
        const before = arrived.length;
        await get("/things/1");
        overtaken = Math.max(overtaken, arrived.length - before);
      }
      return overtaken;
    };
    const reading = Array.from({ length: 20 }, readOn);
    await expect.poll(() => arrived.length, { timeout: 20_000 }).toBeGreaterThan(500);
    isOver = true;
    // A request waits for one other, not for those that come after it: each of twenty overtakes it a few times.
    expect(Math.max(...(await Promise.all(reading)))).toBeLessThan(120);
  });

  test("do not wait for HEAD, whose response cannot be stored", async () => {
    const [head, ...others] = await Promise.all([
      get("/things/1", {}, "HEAD"),
      ...Array.from({ length: 10 }, () => get("/things/1")),
    ]);
    expect(head?.status).toBe(200);
    expect(others.filter(({ cacheStatus }) => cacheStatus?.includes("breakwater-edge; hit"))).toHaveLength(9);
    expect(arrived).toHaveLength(2);
  });

  test("each get their own response if it may not be stored", async () => {
    origin = ({ requestId }) => ({ body: requestId });
    const responses = await Promise.all(Array.from({ length: 10 }, () => get("/things/1")));
    expect(new Set(responses.map(({ body }) => body)).size).toBe(10);
  });
});

describe("a write", () => {
  const fresh = (body: string) => ({ headers: { "cache-control": CACHE_CONTROL }, body });
  const write = async (tags: string) => {
    version += 1;
    origin = ({ method }) =>
      method === "POST"
        ? { status: 200, headers: { "breakwater-invalidated": tags } }
        : fresh(`version ${version}`);
    return await get("/things", {}, "POST");
  };

  test("keeps this isolate from serving an older response, and origins from their older entries", async () => {
    await get("/things/1");
    await stored();
    const written = await write("things, things/1");
    expect(written.headers.has("breakwater-invalidated")).toBe(false);
    pass(3);
    const { body, cacheStatus } = await get("/things/1");
    expect(body).toBe("version 2");
    expect(cacheStatus).toBe("breakwater-edge; fwd=stale; stored");
    expect(arrived.at(-1)?.cacheControl).toBe("max-age=3");
    await expect.poll(async () => (await get("/things/1")).cacheStatus).toContain("hit");
  });

  test("keeps this isolate from serving an older response that another one has stored since", async () => {
    await write("things/1");
    // The other isolate does not know of the write, and the origin uses an older entry.
    origin = () => ({ headers: { "cache-control": CACHE_CONTROL, age: "2" }, body: "version 1" });
    expect(await (await otherEdge.request("http://edge.test/things/1")).text()).toBe("version 1");
    await stored();
    origin = () => fresh("version 2");
    expect((await get("/things/1")).body).toBe("version 2");
  });

  test("leaves the older response to be used, marked, while no origin responds, and only then", async () => {
    await get("/things/1");
    await stored();
    await write("things/1");
    origin = () => ({ status: 503 });
    expect((await get("/things/1")).cacheStatus).toMatch(
      /fwd=stale; fwd-status=503; .*detail=stale-if-error$/,
    );
    origin = () => fresh("version 2");
    expect((await get("/things/1")).body).toBe("version 2");
  });

  test("leaves responses with other tags as they are", async () => {
    await get("/things/1");
    await stored();
    await write("things, things/2");
    expect((await get("/things/1")).cacheStatus).toContain("hit");
  });
});

test("a store that does not respond costs a moment, and no response", async () => {
  store.hang();
  const startedMs = Date.now();
  expect((await get("/things/1")).body).toBe("version 1");
  expect(Date.now() - startedMs).toBeLessThan(1_000);
});
