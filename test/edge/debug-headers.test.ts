/** What was done for a request at the origins: told to an operator who asks, and to nobody else. */
import { randomFillSync } from "node:crypto";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import * as z from "zod/mini";
import { edgeRoutes } from "../../src/contract/edge-manifest.ts";
import { OPERATOR_SCOPE } from "../../src/contract/policy.ts";
import { defineRoute } from "../../src/contract/route.ts";
import { createKey, writeKeyRecord } from "../../src/middleware/auth/api-keys.ts";
import { askEdge, startEdge } from "../support/ask-edge.ts";
import { startUpstream, type Upstream } from "../support/upstream.ts";

const answered = { responses: { 200: { description: "Done" } }, summary: "", tag: "Test" } as const;
const open = defineRoute({ ...answered, method: "GET", path: "/open", policy: { auth: "public" } });
const kept = defineRoute({
  ...answered,
  method: "GET",
  path: "/kept/:id",
  request: { params: z.strictObject({ id: z.string() }) },
  policy: { auth: "public", cache: { freshS: 60 } },
});
const closed = defineRoute({
  ...answered,
  method: "GET",
  path: "/closed",
  policy: { auth: { scopes: ["read"] } },
});

let upstreams: readonly [Upstream, Upstream];
let ask: (path: string, key?: string, headers?: Readonly<Record<string, string>>) => Promise<Headers>;

/** Keys that the origins know. */
const operator = createKey((bytes) => randomFillSync(bytes));
const reader = createKey((bytes) => randomFillSync(bytes));
const scopesOf: Readonly<Record<string, readonly string[]>> = {
  [operator.id]: ["read", OPERATOR_SCOPE],
  [reader.id]: ["read"],
};
const recordOf = (id: string): string => {
  const { hash } = id === operator.id ? operator : reader;
  return writeKeyRecord({ id, hash, principal: "someone", scopes: scopesOf[id] ?? [], expiresAtMs: null });
};

beforeEach(async () => {
  upstreams = [await startUpstream(), await startUpstream()];
  for (const upstream of upstreams) {
    upstream.answer(({ url }) => {
      const keyId = url.startsWith("/_edge/keys/") ? url.slice("/_edge/keys/".length) : undefined;
      if (keyId !== undefined) return { body: recordOf(keyId) };
      return { headers: { "cache-control": "public, max-age=60" }, body: "done" };
    });
  }
  const edge = startEdge({
    environment: { ORIGINS: upstreams.map(({ url }) => url).join() },
    routes: edgeRoutes({ open, kept, closed }),
    // The first draw falls on the first origin, and no other takes its place.
    random: () => 0,
  });
  ask = async (path, key, headers = {}) => {
    const authorization = key === undefined ? {} : { authorization: `Bearer ${key}` };
    const response = await askEdge(edge, path, { headers: { ...authorization, ...headers } });
    expect(response.status).toBe(200);
    expect(await response.text()).toBe("done");
    return response.headers;
  };
});
afterEach(async () => {
  for (const upstream of upstreams) await upstream.stop();
});

const asking = { "breakwater-explain": "attempts" };
const ATTEMPTS = "breakwater-attempts";

describe.each(["/open", "/closed"])("%s", (path) => {
  test("an operator who asks is told of the attempt", async () => {
    const headers = await ask(path, operator.key, asking);
    expect(headers.get(ATTEMPTS)).toBe("1");
    expect(headers.get("server-timing")).toMatch(/^attempt-1;dur=\d+;desc="first, origin 0, answered"$/);
    // No cache on the way keeps it for others.
    expect(headers.get("cache-control")).toBe("private, no-store");
  });

  test("an operator who asks is told of every attempt", async () => {
    await ask(path, operator.key, asking);
    await upstreams[0].stop();
    const headers = await ask(path, operator.key, asking);
    expect(headers.get(ATTEMPTS)).toBe("2");
    expect(headers.get("server-timing")).toMatch(
      /^attempt-1;dur=\d+;desc="first, origin 0, broken", attempt-2;dur=\d+;desc="retry, origin 1, answered"$/,
    );
  });

  test("an operator who does not ask is told nothing", async () => {
    expect((await ask(path, operator.key)).has(ATTEMPTS)).toBe(false);
  });

  test("another one who asks is told nothing", async () => {
    const headers = await ask(path, reader.key, asking);
    expect(headers.has(ATTEMPTS)).toBe(false);
    expect(headers.has("server-timing")).toBe(false);
  });
});

test("who asks without a key, or with one that is none, is answered all the same, and told nothing", async () => {
  expect((await ask("/open", undefined, asking)).has(ATTEMPTS)).toBe(false);
  expect((await ask("/open", "nonsense", asking)).has(ATTEMPTS)).toBe(false);
});

test("of an answer out of the cache an operator is told that nobody was asked, and the next one nothing", async () => {
  expect((await ask("/kept/1", operator.key, asking)).get(ATTEMPTS)).toBe("1");
  const headers = await ask("/kept/1", operator.key, asking);
  expect(headers.get(ATTEMPTS)).toBe("0");
  expect(headers.has("server-timing")).toBe(false);
  expect((await ask("/kept/1")).has(ATTEMPTS)).toBe(false);
});
