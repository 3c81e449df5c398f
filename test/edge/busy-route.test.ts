/** An origin that has no room for one route. */
import { afterEach, beforeEach, expect, test } from "vitest";
import { edgeRoutes } from "../../src/contract/edge-manifest.ts";
import { defineRoute } from "../../src/contract/route.ts";
import { askEdge, type Edge, startEdge } from "../support/ask-edge.ts";
import { startUpstream, type Upstream } from "../support/upstream.ts";

const base = {
  method: "GET",
  summary: "",
  tag: "Test",
  responses: { 200: { description: "Done" } },
} as const;
const search = defineRoute({ ...base, path: "/search", policy: { auth: "public", maxConcurrent: 1 } });
const plain = defineRoute({ ...base, path: "/plain", policy: { auth: "public" } });

let upstreams: readonly [Upstream, Upstream];
let edge: Edge;

beforeEach(async () => {
  upstreams = [await startUpstream(), await startUpstream()];
  for (const upstream of upstreams)
    upstream.answer(({ url }) =>
      url === "/search"
        ? { status: 503, headers: { "retry-after": "1", "breakwater-route-busy": "?1" } }
        : { body: "served" },
    );
  edge = startEdge({
    environment: { ORIGINS: upstreams.map(({ url }) => url).join() },
    routes: edgeRoutes({ search, plain }),
  });
});
afterEach(() => Promise.all(upstreams.map((upstream) => upstream.stop())));

const ask = (path: string): Promise<Response> => askEdge(edge, `http://edge.test${path}`);
const arrivals = (): number[] => upstreams.map(({ arrived }) => arrived.length);

test("its 503 is passed on, and asked of no other origin", async () => {
  for (let turn = 1; turn <= 10; turn += 1) {
    const response = await ask("/search");
    expect([response.status, response.headers.get("retry-after")]).toEqual([503, "1"]);
    expect(response.headers.has("breakwater-route-busy")).toBe(false);
    expect(arrivals().reduce((sum, each) => sum + each)).toBe(turn);
  }
});

test("its 503 does not count against an origin", async () => {
  const [one, other] = upstreams;
  other.answer(() => ({ body: "served" }));
  for (let turn = 0; turn < 40; turn += 1) await (await ask("/search")).text();
  const [before = 0] = arrivals();
  expect(before).toBeGreaterThan(10);
  for (let turn = 0; turn < 40; turn += 1) expect((await ask("/plain")).status).toBe(200);
  expect(one.arrived.length - before).toBeGreaterThan(0);
});
