import { afterEach, beforeEach, describe, expect, test } from "vitest";
import * as z from "zod/mini";
import { edgeRoutes } from "../../src/contract/edge-manifest.ts";
import { defineRoute } from "../../src/contract/route.ts";
import { askEdge, type Edge, startEdge } from "../support/ask-edge.ts";
import { createMemoryStore, type MemoryStore } from "../support/memory-store.ts";
import { startUpstream, type Upstream, type UpstreamAnswer } from "../support/upstream.ts";

const base = { responses: { 200: { description: "Done" } }, summary: "", tag: "Test" } as const;
const cache = { freshS: 5, staleWhileRevalidateS: 30, staleIfErrorS: 600 } as const;

const thing = defineRoute({
  ...base,
  method: "GET",
  path: "/things/:id",
  request: {
    params: z.strictObject({ id: z.string() }),
    headers: z.object({ "if-none-match": z.optional(z.string()) }),
  },
  policy: { auth: "public", cache: { ...cache, tags: ["things/:id"] } },
});
const things = defineRoute({
  ...base,
  method: "GET",
  path: "/things",
  request: { query: z.strictObject({ q: z.optional(z.string()), limit: z.optional(z.string()) }) },
  policy: { auth: "public", cache: { ...cache, tags: ["things"] } },
});
const change = defineRoute({ ...base, method: "POST", path: "/things", policy: { auth: "public" } });
const plain = defineRoute({ ...base, method: "GET", path: "/plain", policy: { auth: "public" } });

let upstream: Upstream;
let store: MemoryStore;
let edge: Edge;
/** Another isolate in the same location: it shares only the platform's cache. */
let otherEdge: Edge;
/** Added to the test's start, or to the real time in tests in which leases expire, milliseconds. */
let laterMs: number;
let clock: () => number;

const CACHE_CONTROL = "public, max-age=5, stale-while-revalidate=30, stale-if-error=600";
let version: number;

beforeEach(async () => {
  upstream = await startUpstream();
  store = createMemoryStore();
  laterMs = 0;
  const startedMs = Date.now();
  clock = () => startedMs;
  version = 1;
  upstream.answer(() => ({
    headers: { "cache-control": CACHE_CONTROL, etag: `"${version}"` },
    body: `version ${version}`,
  }));
  const isolate = () =>
    startEdge({
      environment: { ORIGINS: upstream.url },
      routes: edgeRoutes({ thing, things, change, plain }),
      store,
      now: () => clock() + laterMs,
    });
  edge = isolate();
  otherEdge = isolate();
});
afterEach(() => upstream.stop());

const get = async (path: string, headers: Record<string, string> = {}, method = "GET") => {
  const response = await askEdge(edge, `http://edge.test${path}`, { headers, method });
  return {
    status: response.status,
    body: await response.text(),
    cacheStatus: response.headers.get("cache-status"),
    age: response.headers.get("age"),
    headers: response.headers,
  };
};
const stored = () => expect.poll(() => store.keys.length).toBeGreaterThan(0);
const fill = async (): Promise<void> => {
  await get("/things/1");
  await stored();
};
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
    expect(upstream.arrived).toHaveLength(1);
  });

  test("includes the age and the Cache-Status of the origin", async () => {
    upstream.answer(() => ({
      headers: { "cache-control": CACHE_CONTROL, age: "4", "cache-status": "breakwater-origin; hit; ttl=1" },
    }));
    await fill();
    const { cacheStatus, age } = await get("/things/1");
    expect(cacheStatus).toBe("breakwater-origin; hit; ttl=1, breakwater-edge; hit; ttl=1");
    expect(age).toBe("4");
  });

  test("is served stale for a while, and revalidated in the background, once", async () => {
    await fill();
    pass(6);
    const { promise, resolve } = Promise.withResolvers<UpstreamAnswer>();
    upstream.answer(() => promise);
    const stale = await Promise.all(Array.from({ length: 20 }, () => get("/things/1")));
    expect(new Set(stale.map(({ body }) => body))).toEqual(new Set(["version 1"]));
    resolve({ headers: { "cache-control": CACHE_CONTROL, etag: '"2"' }, body: "version 2" });
    expect(stale[0]?.cacheStatus).toContain("detail=stale-while-revalidate");
    await expect.poll(async () => (await get("/things/1")).body).toBe("version 2");
    expect(upstream.arrived).toHaveLength(2);
    // The origin's own stale response would be no newer.
    expect(upstream.arrived[1]?.headers["cache-control"]).toBe("max-age=5");
  });

  test("is 304 for a client that has its version, from the cache and from the origin", async () => {
    const first = await get("/things/1", { "if-none-match": '"1"' });
    expect([first.status, first.body]).toEqual([304, ""]);
    expect(upstream.arrived[0]?.headers["if-none-match"]).toBeUndefined();
    await stored();
    expect((await get("/things/1", { "if-none-match": 'W/"1"' })).status).toBe(304);
    expect((await get("/things/1", { "if-none-match": '"0"' })).status).toBe(200);
    expect(upstream.arrived).toHaveLength(1);
  });

  test("answers HEAD without its body, and the response to HEAD is not stored", async () => {
    await get("/things/1", {}, "HEAD");
    expect(store.keys).toEqual([]);
    await fill();
    const head = await get("/things/1", {}, "HEAD");
    expect([head.status, head.body, head.headers.get("etag")]).toEqual([200, "", '"1"']);
    expect(upstream.arrived).toHaveLength(2);
  });
});

describe("a response that is not stored", () => {
  const cacheable = { "cache-control": CACHE_CONTROL };
  const staleAtOrigin = "breakwater-origin; fwd=stale; fwd-status=503; ttl=4; detail=stale-if-error";
  test.each<[why: string, answer: UpstreamAnswer]>([
    ["private", { headers: { "cache-control": "private, max-age=60" } }],
    ["without Cache-Control", { headers: {} }],
    ["no-store", { headers: { "cache-control": "public, max-age=60, no-store" } }],
    ["with a cookie", { headers: { ...cacheable, "set-cookie": "a=b" } }],
    ["with Vary", { headers: { ...cacheable, vary: "accept" } }],
    ["with status 404", { status: 404, headers: cacheable }],
    ["with status 500", { status: 500, headers: cacheable }],
    ["with status 503", { status: 503, headers: cacheable }],
    ["that is already stale at the origin", { headers: { ...cacheable, "cache-status": staleAtOrigin } }],
  ])("is one %s", async (_, answer) => {
    upstream.answer(() => ({ ...answer, body: "mine" }));
    const { status, cacheStatus } = await get("/things/1");
    expect(status).toBe(answer.status ?? 200);
    expect(cacheStatus).toMatch(/breakwater-edge; fwd=miss$/);
    await get("/things/1");
    expect(store.keys).toEqual([]);
    expect(upstream.arrived).toHaveLength(2);
  });

  test("is one of a route without a cache policy", async () => {
    expect((await get("/plain")).cacheStatus).toBeNull();
    expect(store.keys).toEqual([]);
  });
});

describe("the key", () => {
  test("is the path and the declared parameters in any order, and no field of the client", async () => {
    await get("/things?q=a&limit=5", { "x-forwarded-host": "evil.test", accept: "text/evil", cookie: "a=1" });
    await stored();
    await get("/things?limit=5&q=a", { authorization: "Bearer x", "cache-control": "no-cache" });
    expect(upstream.arrived).toHaveLength(1);
    expect(store.keys).toEqual(["http://edge.test/things?limit=5&q=a"]);
  });

  test.each([
    "/things?evil=1",
    "/things?q=a&evil",
  ])("%s is 400 at the edge, with an unknown parameter", async (path) => {
    expect((await get(path)).status).toBe(400);
    expect(upstream.arrived).toEqual([]);
    expect(store.keys).toEqual([]);
  });

  test.each([
    "/things?q=a&q=b",
    `/things?q=${"a".repeat(2_100)}`,
  ])("does not exist for %.40s, and the origin responds", async (path) => {
    expect((await get(path)).cacheStatus).toBe("breakwater-edge; fwd=bypass");
    await get(path);
    expect(upstream.arrived).toHaveLength(2);
    expect(store.keys).toEqual([]);
  });
});

describe("a stale response", () => {
  const failures = {
    "is down": () => upstream.stop(),
    "responds 503": async () => upstream.answer(() => ({ status: 503 })),
    "is replaced by another server": async () =>
      upstream.answer(() => ({ status: 200, headers: { "x-request-id": "another" } })),
  };
  test.each(Object.entries(failures))("is used and marked if the origin %s", async (_, fail) => {
    await fill();
    await fail();
    pass(60);
    const { status, body, cacheStatus, age } = await get("/things/1");
    expect([status, body]).toEqual([200, "version 1"]);
    expect(cacheStatus).toMatch(
      /^breakwater-edge; fwd=stale; fwd-status=50[23]; ttl=-5\d; detail=stale-if-error$/,
    );
    expect(Number(age)).toBeGreaterThanOrEqual(60);
    // The next requests do not try again at once.
    expect((await get("/things/1")).cacheStatus).toMatch(
      /^breakwater-edge; hit; ttl=-5\d; detail=stale-if-error$/,
    );
    pass(600);
    expect((await get("/things/1")).status).toBeGreaterThanOrEqual(500);
  });

  test("is used after a second if the origin does not respond", async () => {
    clock = Date.now;
    await fill();
    pass(60);
    upstream.answer(() => undefined);
    const startedMs = Date.now();
    expect((await get("/things/1")).cacheStatus).toContain("stale-if-error");
    expect(Date.now() - startedMs).toBeLessThan(2_000);
  });
});

describe("concurrent requests for one key", () => {
  test("cost the origin one request", async () => {
    const responses = await Promise.all(Array.from({ length: 100 }, () => get("/things/1")));
    expect(upstream.arrived).toHaveLength(1);
    expect(responses.filter(({ cacheStatus }) => cacheStatus?.includes("breakwater-edge; hit"))).toHaveLength(
      99,
    );
    expect(new Set(responses.map(({ body }) => body))).toEqual(new Set(["version 1"]));
  });

  test("have a response within two seconds if the one that fills dies", async () => {
    clock = Date.now;
    upstream.answer(() =>
      upstream.arrived.length === 1
        ? undefined
        : { headers: { "cache-control": CACHE_CONTROL }, body: "second" },
    );
    void askEdge(edge, "http://edge.test/things/1");
    await expect.poll(() => upstream.arrived.length).toBe(1);
    const startedMs = Date.now();
    const responses = await Promise.all(Array.from({ length: 50 }, () => get("/things/1")));
    expect(Date.now() - startedMs).toBeLessThan(2_000);
    expect(new Set(responses.map(({ body }) => body))).toEqual(new Set(["second"]));
    expect(upstream.arrived).toHaveLength(2);
  });

  test("do not wait for HEAD, whose response is not stored", async () => {
    const [head, ...others] = await Promise.all([
      get("/things/1", {}, "HEAD"),
      ...Array.from({ length: 10 }, () => get("/things/1")),
    ]);
    expect(head?.status).toBe(200);
    expect(others.filter(({ cacheStatus }) => cacheStatus?.includes("breakwater-edge; hit"))).toHaveLength(9);
    expect(upstream.arrived).toHaveLength(2);
  });

  test("each get their own response if it may not be stored, and do not queue for it", async () => {
    clock = Date.now;
    const all = Promise.withResolvers<void>();
    upstream.answer(async ({ headers }) => {
      const { length } = upstream.arrived;
      if (length === 10) all.resolve();
      // All wait for the first, and after it for no other.
      if (length > 1) await all.promise;
      return { body: String(headers["x-request-id"]) };
    });
    const responses = await Promise.all(Array.from({ length: 10 }, () => get("/things/1")));
    expect(new Set(responses.map(({ body }) => body)).size).toBe(10);
  });
});

describe("a write", () => {
  const fresh = (body: string) => ({ headers: { "cache-control": CACHE_CONTROL }, body });
  const write = async (tags: string) => {
    version += 1;
    upstream.answer(({ method }) =>
      method === "POST"
        ? { status: 200, headers: { "breakwater-invalidated": tags } }
        : fresh(`version ${version}`),
    );
    return await get("/things", {}, "POST");
  };

  test("prevents older responses in this isolate and older entries of origins", async () => {
    await fill();
    const written = await write("things, things/1");
    expect(written.headers.has("breakwater-invalidated")).toBe(false);
    pass(3);
    const { body, cacheStatus } = await get("/things/1");
    expect(body).toBe("version 2");
    expect(cacheStatus).toBe("breakwater-edge; fwd=stale; stored");
    expect(upstream.arrived.at(-1)?.headers["cache-control"]).toBe("max-age=3");
    await expect.poll(async () => (await get("/things/1")).cacheStatus).toContain("hit");
  });

  test("prevents an older response that another isolate stores later", async () => {
    await write("things/1");
    // The other isolate has not seen the write, and the origin uses an older entry.
    upstream.answer(() => ({ headers: { "cache-control": CACHE_CONTROL, age: "2" }, body: "version 1" }));
    expect(await (await askEdge(otherEdge, "http://edge.test/things/1")).text()).toBe("version 1");
    await stored();
    upstream.answer(() => fresh("version 2"));
    expect((await get("/things/1")).body).toBe("version 2");
  });

  test("allows the older response, marked, only while no origin responds", async () => {
    await fill();
    await write("things/1");
    upstream.answer(() => ({ status: 503 }));
    expect((await get("/things/1")).cacheStatus).toMatch(
      /fwd=stale; fwd-status=503; .*detail=stale-if-error$/,
    );
    upstream.answer(() => fresh("version 2"));
    expect((await get("/things/1")).body).toBe("version 2");
  });

  test("allows the older response, marked, after two seconds if the origin does not respond", async () => {
    clock = Date.now;
    await fill();
    await write("things/1");
    upstream.answer(() => undefined);
    const startedMs = Date.now();
    const responses = await Promise.all(Array.from({ length: 5 }, () => get("/things/1")));
    // The deadline is ten seconds.
    expect(Date.now() - startedMs).toBeLessThan(5_000);
    for (const { cacheStatus } of responses) expect(cacheStatus).toContain("detail=stale-if-error");
  });

  test("is ignored if another server reports it", async () => {
    await fill();
    upstream.answer(() => ({
      headers: { "x-request-id": "another", "breakwater-invalidated": "things/1" },
    }));
    await get("/things", {}, "POST");
    expect((await get("/things/1")).cacheStatus).toContain("hit");
  });
});

test("a store that does not respond only delays the response", async () => {
  store.hang();
  const startedMs = Date.now();
  expect((await get("/things/1")).body).toBe("version 1");
  expect(Date.now() - startedMs).toBeLessThan(1_000);
});
