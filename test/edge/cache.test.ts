import { afterEach, beforeEach, describe, expect, test } from "vitest";
import * as z from "zod/mini";
import { edgeRoutes } from "../../src/contract/edge-manifest.ts";
import { defineRoute } from "../../src/contract/route.ts";
import { askEdge, type Edge, startEdge } from "../support/ask-edge.ts";
import { createMemoryStore, type MemoryStore } from "../support/memory-store.ts";
import { startUpstream, type Upstream } from "../support/upstream.ts";

const answered = { responses: { 200: { description: "Done" } }, summary: "", tag: "Test" } as const;
const cache = { freshS: 5, staleWhileRevalidateS: 30, staleIfErrorS: 600 } as const;

const thing = defineRoute({
  ...answered,
  method: "GET",
  path: "/things/:id",
  request: {
    params: z.strictObject({ id: z.string() }),
    headers: z.object({ "if-none-match": z.optional(z.string()) }),
  },
  policy: { auth: "public", cache: { ...cache, tags: ["things/:id"] } },
});
const things = defineRoute({
  ...answered,
  method: "GET",
  path: "/things",
  request: { query: z.strictObject({ q: z.optional(z.string()), limit: z.optional(z.string()) }) },
  policy: { auth: "public", cache: { ...cache, tags: ["things"] } },
});
const change = defineRoute({ ...answered, method: "POST", path: "/things", policy: { auth: "public" } });
const plain = defineRoute({ ...answered, method: "GET", path: "/plain", policy: { auth: "public" } });

let upstream: Upstream;
let store: MemoryStore;
let edge: Edge;
/** Another isolate of the same place: it shares the platform's cache, and nothing else. */
let otherEdge: Edge;
/** On top of the time at which the test began, or of the real time where leases have to run out, milliseconds. */
let laterMs: number;
let clock: () => number;

const CACHE_CONTROL = "public, max-age=5, stale-while-revalidate=30, stale-if-error=600";
let version: number;

beforeEach(async () => {
  upstream = await startUpstream();
  store = createMemoryStore();
  laterMs = 0;
  const beganMs = Date.now();
  clock = () => beganMs;
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
    told: response.headers.get("cache-status"),
    age: response.headers.get("age"),
    headers: response.headers,
  };
};
const asked = (): number => upstream.arrived.length;
const kept = () => expect.poll(() => store.keys.length).toBeGreaterThan(0);
/** Seconds pass. */
const pass = (seconds: number): void => {
  laterMs += seconds * 1_000;
};

describe("an answer that the origin lets everybody keep", () => {
  test("is kept, and answers the next request without the origin", async () => {
    const first = await get("/things/1");
    expect(first.told).toBe("breakwater-edge; fwd=miss; stored");
    await kept();
    pass(2);
    const second = await get("/things/1");
    expect(second.body).toBe("version 1");
    expect(second.told).toBe("breakwater-edge; hit; ttl=3");
    expect(second.age).toBe("2");
    expect(second.headers.get("cache-control")).toBe(CACHE_CONTROL);
    expect(second.headers.get("x-request-id")).not.toBe(first.headers.get("x-request-id"));
    expect([...second.headers.keys()].filter((name) => name.includes("kept"))).toEqual([]);
    expect(asked()).toBe(1);
  });

  test("is as old as the origin says, and says what the origin's cache has said", async () => {
    upstream.answer(() => ({
      headers: { "cache-control": CACHE_CONTROL, age: "4", "cache-status": "breakwater-origin; hit; ttl=1" },
    }));
    await get("/things/1");
    await kept();
    const { told, age } = await get("/things/1");
    expect(told).toBe("breakwater-origin; hit; ttl=1, breakwater-edge; hit; ttl=1");
    expect(age).toBe("4");
  });

  test("is answered stale for a while, and fetched anew in the background, once", async () => {
    await get("/things/1");
    await kept();
    pass(6);
    version = 2;
    const stale = await Promise.all(Array.from({ length: 20 }, () => get("/things/1")));
    expect(new Set(stale.map(({ body }) => body))).toEqual(new Set(["version 1"]));
    expect(stale[0]?.told).toContain("detail=stale-while-revalidate");
    await expect.poll(async () => (await get("/things/1")).body).toBe("version 2");
    expect(asked()).toBe(2);
    // Its own stale answer would be no newer.
    expect(upstream.arrived[1]?.headers["cache-control"]).toBe("max-age=5");
  });

  test("is answered 304 to who holds its version, from the cache and from the origin", async () => {
    const first = await get("/things/1", { "if-none-match": '"1"' });
    expect([first.status, first.body]).toEqual([304, ""]);
    expect(upstream.arrived[0]?.headers["if-none-match"]).toBeUndefined();
    await kept();
    expect((await get("/things/1", { "if-none-match": 'W/"1"' })).status).toBe(304);
    expect((await get("/things/1", { "if-none-match": '"0"' })).status).toBe(200);
    expect(asked()).toBe(1);
  });

  test("answers HEAD, too, without its body, and what HEAD was answered is not kept", async () => {
    await get("/things/1", {}, "HEAD");
    expect(store.keys).toEqual([]);
    await get("/things/1");
    await kept();
    const head = await get("/things/1", {}, "HEAD");
    expect([head.status, head.body, head.headers.get("etag")]).toEqual([200, "", '"1"']);
    expect(asked()).toBe(2);
  });
});

describe("what is not kept", () => {
  test.each([
    { why: "private", headers: { "cache-control": "private, max-age=60" } },
    { why: "without a word about caching", headers: {} },
    { why: "no-store", headers: { "cache-control": "public, max-age=60, no-store" } },
    { why: "with a cookie", headers: { "cache-control": CACHE_CONTROL, "set-cookie": "a=b" } },
    { why: "varying", headers: { "cache-control": CACHE_CONTROL, vary: "accept" } },
  ])("an answer $why", async ({ headers }) => {
    upstream.answer(() => ({ headers, body: "mine" }));
    expect((await get("/things/1")).told).toBe("breakwater-edge; fwd=miss");
    await get("/things/1");
    expect(store.keys).toEqual([]);
    expect(asked()).toBe(2);
  });

  test.each([404, 500, 503])("an answer of status %i", async (status) => {
    upstream.answer(() => ({ status, headers: { "cache-control": CACHE_CONTROL } }));
    expect((await get("/things/1")).status).toBe(status);
    expect(store.keys).toEqual([]);
  });

  test("an answer of a route that has no cache policy", async () => {
    expect((await get("/plain")).told).toBeNull();
    expect(store.keys).toEqual([]);
  });
});

test("an answer that the origin had only for want of a newer one is not kept", async () => {
  upstream.answer(() => ({
    headers: {
      "cache-control": CACHE_CONTROL,
      age: "1",
      "cache-status": "breakwater-origin; fwd=stale; fwd-status=503; ttl=4; detail=stale-if-error",
    },
  }));
  await get("/things/1");
  await get("/things/1");
  expect(asked()).toBe(2);
  expect(store.keys).toEqual([]);
});

describe("what a client sends", () => {
  test("chooses no answer but by path and known parameters, in whichever order", async () => {
    await get("/things?q=a&limit=5", { "x-forwarded-host": "evil.test", accept: "text/evil", cookie: "a=1" });
    await kept();
    await get("/things?limit=5&q=a", { authorization: "Bearer x", "cache-control": "no-cache" });
    expect(asked()).toBe(1);
    expect(store.keys).toEqual(["http://edge.test/things?limit=5&q=a"]);
  });

  test.each([
    "/things?evil=1",
    "/things?q=a&q=b",
    "/things?q=a&evil",
  ])("goes to the origin and is not kept where the route does not know it: %s", async (path) => {
    await get(path);
    await get(path);
    expect(asked()).toBe(2);
    expect(store.keys).toEqual([]);
  });
});

describe("while no origin can answer", () => {
  const failures = {
    "that is gone": () => upstream.stop(),
    "that answers 503": async () => upstream.answer(() => ({ status: 503 })),
    "in whose place something else answers": async () =>
      upstream.answer(() => ({ status: 200, headers: { "x-request-id": "another" } })),
  };
  test.each(
    Object.entries(failures),
  )("an origin %s is stood in for by what is stale, marked", async (_, fail) => {
    await get("/things/1");
    await kept();
    await fail();
    pass(60);
    const { status, body, told, age } = await get("/things/1");
    expect([status, body]).toEqual([200, "version 1"]);
    expect(told).toMatch(/^breakwater-edge; fwd=stale; fwd-status=50[23]; ttl=-5\d; detail=stale-if-error$/);
    expect(Number(age)).toBeGreaterThanOrEqual(60);
    // For a moment nobody asks again.
    expect((await get("/things/1")).told).toMatch(/^breakwater-edge; hit; ttl=-5\d; detail=stale-if-error$/);
    pass(600);
    expect((await get("/things/1")).status).toBeGreaterThanOrEqual(500);
  });

  test("nobody waits longer than a second for what is stale, and it is fetched all the same", async () => {
    clock = Date.now;
    await get("/things/1");
    await kept();
    pass(60);
    upstream.answer(() => undefined);
    const beganMs = Date.now();
    expect((await get("/things/1")).told).toContain("stale-if-error");
    expect(Date.now() - beganMs).toBeLessThan(2_000);
  });
});

describe("many who ask for the same at once", () => {
  test("cost the origin one request", async () => {
    const answers = await Promise.all(Array.from({ length: 100 }, () => get("/things/1")));
    expect(asked()).toBe(1);
    // The others have waited for it, or come when it was there.
    expect(answers.filter(({ told }) => told?.includes("breakwater-edge; hit"))).toHaveLength(99);
    expect(new Set(answers.map(({ body }) => body))).toEqual(new Set(["version 1"]));
  });

  test("have an answer within two seconds when the one that asks for them dies", async () => {
    clock = Date.now;
    let isFirst = true;
    upstream.answer(() => {
      if (!isFirst) return { headers: { "cache-control": CACHE_CONTROL }, body: "second" };
      isFirst = false;
      return undefined;
    });
    void askEdge(edge, "http://edge.test/things/1");
    await expect.poll(asked).toBe(1);
    const beganMs = Date.now();
    const answers = await Promise.all(Array.from({ length: 50 }, () => get("/things/1")));
    expect(Date.now() - beganMs).toBeLessThan(2_000);
    expect(new Set(answers.map(({ body }) => body))).toEqual(new Set(["second"]));
    expect(asked()).toBe(2);
  });

  test("are not held up by one another where there is nothing to be kept", async () => {
    clock = Date.now;
    upstream.answer(() => ({ status: 404 }));
    let isOver = false;
    /** How many have come to the origin while one of these requests was waiting, at most. */
    const askOn = async (): Promise<number> => {
      let passedBy = 0;
      while (!isOver) {
        const before = asked();
        await get("/things/1");
        passedBy = Math.max(passedBy, asked() - before);
      }
      return passedBy;
    };
    const asking = Array.from({ length: 20 }, askOn);
    await expect.poll(asked, { timeout: 20_000 }).toBeGreaterThan(500);
    isOver = true;
    // Who waits for one that fetches does not wait for those who come after it: each of twenty, a few times.
    expect(Math.max(...(await Promise.all(asking)))).toBeLessThan(120);
  });

  test("do not wait for HEAD, whose answer cannot be kept", async () => {
    const [head, ...others] = await Promise.all([
      get("/things/1", {}, "HEAD"),
      ...Array.from({ length: 10 }, () => get("/things/1")),
    ]);
    expect(head?.status).toBe(200);
    expect(others.filter(({ told }) => told?.includes("breakwater-edge; hit"))).toHaveLength(9);
    expect(asked()).toBe(2);
  });

  test("each get an answer of their own where it may not be kept", async () => {
    upstream.answer(({ headers }) => ({ body: String(headers["x-request-id"]) }));
    const answers = await Promise.all(Array.from({ length: 10 }, () => get("/things/1")));
    expect(new Set(answers.map(({ body }) => body)).size).toBe(10);
  });
});

describe("a write that makes an answer old", () => {
  const write = async (tags: string) => {
    upstream.answer(({ method }) =>
      method === "POST"
        ? { status: 200, headers: { "breakwater-invalidated": tags } }
        : { headers: { "cache-control": CACHE_CONTROL }, body: `version ${version}` },
    );
    version += 1;
    return await get("/things", {}, "POST");
  };

  test("keeps this isolate from serving it, and origins from answering with it", async () => {
    await get("/things/1");
    await kept();
    const written = await write("things, things/1");
    expect(written.headers.has("breakwater-invalidated")).toBe(false);
    pass(3);
    const { body, told } = await get("/things/1");
    expect(body).toBe("version 2");
    expect(told).toBe("breakwater-edge; fwd=stale; stored");
    expect(upstream.arrived.at(-1)?.headers["cache-control"]).toBe("max-age=3");
    await expect.poll(async () => (await get("/things/1")).told).toContain("hit");
  });

  test("keeps this isolate from serving what another one has kept since, and is older", async () => {
    await write("things/1");
    // The other isolate knows nothing of it, and an origin answers from its own cache what it made before.
    upstream.answer(() => ({ headers: { "cache-control": CACHE_CONTROL, age: "2" }, body: "version 1" }));
    expect(await (await askEdge(otherEdge, "http://edge.test/things/1")).text()).toBe("version 1");
    await kept();
    upstream.answer(() => ({ headers: { "cache-control": CACHE_CONTROL }, body: "version 2" }));
    expect((await get("/things/1")).body).toBe("version 2");
  });

  test("leaves it to be used, marked, where no origin has an answer, and only there", async () => {
    await get("/things/1");
    await kept();
    await write("things/1");
    upstream.answer(() => ({ status: 503 }));
    expect((await get("/things/1")).told).toMatch(/fwd=stale; fwd-status=503; .*detail=stale-if-error$/);
    upstream.answer(() => ({ headers: { "cache-control": CACHE_CONTROL }, body: "version 2" }));
    expect((await get("/things/1")).body).toBe("version 2");
  });

  test("leaves other answers as they are", async () => {
    await get("/things/1");
    await kept();
    await write("things, things/2");
    expect((await get("/things/1")).told).toContain("hit");
  });

  test("is not believed of an answer that is not the origin's own", async () => {
    await get("/things/1");
    await kept();
    upstream.answer(() => ({
      headers: { "x-request-id": "another", "breakwater-invalidated": "things/1" },
    }));
    await get("/things", {}, "POST");
    expect((await get("/things/1")).told).toContain("hit");
  });
});

test("a cache that does not answer costs a moment, and no answer", async () => {
  store.hang();
  const beganMs = Date.now();
  expect((await get("/things/1")).body).toBe("version 1");
  expect(Date.now() - beganMs).toBeLessThan(1_000);
});
