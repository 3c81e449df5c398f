/** Debug fields about a request's attempts at origins: only on an operator's request. */
import { randomFillSync } from "node:crypto";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import * as z from "zod/mini";
import { edgeRoutes } from "../../src/contract/edge-manifest.ts";
import { OPERATOR_SCOPE } from "../../src/contract/policy.ts";
import { defineRoute } from "../../src/contract/route.ts";
import { createKey, writeKeyRecord } from "../../src/middleware/auth/api-keys.ts";
import { askEdge, startEdge } from "../support/ask-edge.ts";
import { startUpstream, type Upstream } from "../support/upstream.ts";

const base = {
  responses: { 200: { description: "Done" } },
  summary: "",
  tag: "Test",
  method: "GET",
} as const;
const routes = {
  open: defineRoute({ ...base, path: "/open", policy: { auth: "public" } }),
  cached: defineRoute({
    ...base,
    path: "/cached/:id",
    request: { params: z.strictObject({ id: z.string() }) },
    policy: { auth: "public", cache: { fresh: "60s" } },
  }),
  closed: defineRoute({ ...base, path: "/closed", policy: { auth: { scopes: ["read"] } } }),
};

let upstreams: readonly [Upstream, Upstream];
let ask: (path: string, key?: string, headers?: Readonly<Record<string, string>>) => Promise<Headers>;

const operator = createKey((bytes) => randomFillSync(bytes));
const reader = createKey((bytes) => randomFillSync(bytes));
const recordOf = (id: string): string => {
  const isOperator = id === operator.id;
  const { hash } = isOperator ? operator : reader;
  const scopes = isOperator ? ["read", OPERATOR_SCOPE] : ["read"];
  return writeKeyRecord({ id, hash, principal: "someone", scopes, expiresAtMs: null });
};

beforeEach(async () => {
  upstreams = [await startUpstream(), await startUpstream()];
  for (const upstream of upstreams) {
    upstream.answer(({ url }) =>
      url.startsWith("/_edge/keys/")
        ? { body: recordOf(url.slice("/_edge/keys/".length)) }
        : { headers: { "cache-control": "public, max-age=60" }, body: "done" },
    );
  }
  const edge = startEdge({
    environment: { ORIGINS: upstreams.map(({ url }) => url).join() },
    routes: edgeRoutes(routes),
    // Always chooses the first origin.
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

const DEBUG = { "breakwater-explain": "attempts" };
const ATTEMPTS = "breakwater-attempts";

describe.each(["/open", "/closed"])("on %s", (path) => {
  test("an operator sees the attempt, in a response that no cache may store", async () => {
    const headers = await ask(path, operator.key, DEBUG);
    expect(headers.get(ATTEMPTS)).toBe("1");
    expect(headers.get("server-timing")).toMatch(/^attempt-1;dur=\d+;desc="first, origin 0, answered"$/);
    expect(headers.get("cache-control")).toBe("private, no-store");
  });

  test("an operator sees every attempt", async () => {
    await ask(path, operator.key, DEBUG);
    await upstreams[0].stop();
    const headers = await ask(path, operator.key, DEBUG);
    expect(headers.get(ATTEMPTS)).toBe("2");
    expect(headers.get("server-timing")).toMatch(
      /^attempt-1;dur=\d+;desc="first, origin 0, broken", attempt-2;dur=\d+;desc="retry, origin 1, answered"$/,
    );
  });

  test.each([
    ["an operator without the debug field", operator.key, {}],
    ["another principal", reader.key, DEBUG],
  ])("%s sees nothing", async (_, key, fields) => {
    const headers = await ask(path, key, fields);
    expect(headers.has(ATTEMPTS)).toBe(false);
    expect(headers.has("server-timing")).toBe(false);
  });
});

test.each([undefined, "nonsense"])("the key %s gets a response without debug fields", async (key) => {
  expect((await ask("/open", key, DEBUG)).has(ATTEMPTS)).toBe(false);
});

test("a cached response has no attempts, and shows the fields to the operator only", async () => {
  expect((await ask("/cached/1", operator.key, DEBUG)).get(ATTEMPTS)).toBe("1");
  const headers = await ask("/cached/1", operator.key, DEBUG);
  expect(headers.get(ATTEMPTS)).toBe("0");
  expect(headers.has("server-timing")).toBe(false);
  expect((await ask("/cached/1")).has(ATTEMPTS)).toBe(false);
});
