/** An origin that guards itself (`server.guards: origin`): the same guards, without an edge. */
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { sampleProductId } from "#api/origin/sample-data.ts";
import { parseNetworkToBlock, setBlock } from "../../src/origin/admin/blocklist/store.ts";
import { send } from "../support/backing.ts";
import { type Issuer, startIssuer } from "../support/issuer.ts";
import { problemOf } from "../support/problem-of.ts";
import { type CallInit, call, eventsOf, type System, startSystem } from "../support/system.ts";

let issuer: Issuer;
let system: System;
let origin: string;
let alice: string;

beforeAll(async () => {
  issuer = await startIssuer();
  system = await startSystem({
    originEnvironment: { GUARDS: "origin", CLIENT_ADDRESS_HEADER: "X-Forwarded-For", ...issuer.environment },
  });
  origin = system.origins[0]?.url ?? "";
  alice = (await system.createKey("alice")).key;
});
afterAll(async () => {
  await system?.stop();
  await issuer?.stop();
});

const order = { lines: [{ productId: sampleProductId(1), quantity: 1 }] };

/** Sends a request to the origin, behind a gateway that sets the client. */
const callFrom = (client: string, path: string, { headers, ...init }: CallInit = {}): Promise<Response> =>
  call(origin, path, { ...init, headers: { "x-forwarded-for": client, ...headers } });
const callOrigin = (path: string, init?: CallInit): Promise<Response> => callFrom("198.51.100.1", path, init);

describe("an allowed request", () => {
  test("is served without internal header fields", async () => {
    const response = await callOrigin("/v1/products?limit=1");
    expect(response.status).toBe(200);
    expect(response.headers.get("x-content-type-options")).toBe("nosniff");
    expect(response.headers.get("ratelimit")).toMatch(/^"/);
    expect([...response.headers.keys()].filter((name) => name.startsWith("breakwater-"))).toEqual([]);
  });

  test("with an idempotency key is executed once, without internal header fields", async () => {
    const init = { method: "POST", key: alice, json: order, headers: { "idempotency-key": "once" } };
    const [first, second] = [await callOrigin("/v1/orders", init), await callOrigin("/v1/orders", init)];
    expect([first.status, second.status]).toEqual([201, 201]);
    expect(second.headers.get("idempotency-replayed")).toBe("true");
    expect(second.headers.get("location")).toBe(first.headers.get("location"));
    expect(first.headers.has("breakwater-invalidated")).toBe(false);
  });

  test("may have a token of the issuer", async () => {
    expect((await callOrigin("/v1/orders", { key: await issuer.token() })).status).toBe(200);
    expect((await callOrigin("/v1/orders", { key: await issuer.token({ aud: "other" }) })).status).toBe(401);
  });

  test("may come from an edge, with its signature", async () => {
    expect((await system.call("/v1/orders", { key: alice })).status).toBe(200);
  });

  test("may be cross-origin if the route's policy says so", async () => {
    const headers = { origin: "https://shop.example" };
    expect((await callOrigin("/v1/products", { headers })).headers.get("access-control-allow-origin")).toBe(
      "*",
    );
    const preflight = await callOrigin("/v1/orders", {
      method: "OPTIONS",
      headers: { ...headers, "access-control-request-method": "POST" },
    });
    expect(preflight.status).toBe(403);
  });
});

describe("rejected are", () => {
  test.each<[what: string, code: string, path: string, init: CallInit]>([
    ["an unknown path", "not_found", "/nowhere", {}],
    ["an unsupported method", "method_not_allowed", "/v1/products", { method: "DELETE" }],
    ["missing credentials", "unauthenticated", "/v1/orders", {}],
    ["an unknown key", "unauthenticated", "/v1/orders", { key: `bwk_${"a".repeat(12)}_${"b".repeat(42)}c` }],
    ["the edge's paths", "unsigned", "/_edge/keys/x", {}],
    [
      "an invalid signature",
      "unsigned",
      "/v1/products",
      { headers: { signature: "edge=:AAAA:", "signature-input": "edge=()" } },
    ],
  ])("%s", async (_, code, path, init) => {
    expect(await problemOf(await callOrigin(path, init))).toMatchObject({ code });
  });

  test("a body of another type", async () => {
    const headers = { "content-type": "text/plain" };
    const response = await callOrigin("/v1/orders", { method: "POST", key: alice, json: order, headers });
    expect(await problemOf(response)).toMatchObject({ code: "unsupported_media_type" });
  });

  test("a body above the route's limit", async () => {
    const json = { lines: "x".repeat(20_000) };
    expect((await callOrigin("/v1/orders", { method: "POST", key: alice, json })).status).toBe(413);
  });

  test.each([
    { "content-length": "2" },
    { "transfer-encoding": "chunked" },
  ])("a body of a GET, with %j", async (headers) => {
    expect((await send(origin, { path: "/v1/products", headers, body: "{}" })).status).toBe(413);
  });

  test("requests above a limit", async () => {
    const product = `/v1/products/${sampleProductId(1)}`;
    // More than the buckets of Redis and of this process together, because on a busy machine both may decide.
    const requests = Array.from(
      { length: 1_000 },
      async () => (await callFrom("192.0.2.50", product)).status,
    );
    const statuses = await Promise.all(requests);
    expect(statuses.filter((status) => status === 429).length).toBeGreaterThan(0);
    expect(new Set(statuses)).toEqual(new Set([200, 429]));
    expect((await callFrom("192.0.2.51", product)).status).toBe(200);
  });

  test.each([
    ["/v1/products/..%2f..%2fetc%2fpasswd", {}, 400],
    ["/v1/orders", { authorization: ["Bearer a", "Bearer b"] }, 401],
    ["/v1/products", { "x-long": "x".repeat(20_000) }, 431],
  ])("%s with %j, before a handler runs", async (path, headers, status) => {
    expect((await send(origin, { path, headers })).status).toBe(status);
  });
});

describe("a client cannot forge", () => {
  test("the edge's fields", async () => {
    const headers = {
      "breakwater-context":
        'client="192.0.2.9", auth=api-key, principal="alice", scopes="orders:read", timeout-ms=5000, attempt=1',
    };
    expect((await callOrigin("/v1/orders", { headers })).status).toBe(401);
  });

  test("its address in front of the gateway's entry", async () => {
    await callFrom("192.0.2.77, 192.0.2.78", "/v1/orders");
    await expect.poll(() => eventsOf(system, "192.0.2.78"), { timeout: 20_000 }).toHaveLength(1);
    expect(eventsOf(system, "192.0.2.77")).toEqual([]);
  });

  test("directives to the cache", async () => {
    const path = `/v1/products/${sampleProductId(3)}`;
    await callOrigin(path);
    const again = await callOrigin(path, { headers: { "cache-control": "no-cache, no-store" } });
    expect(again.headers.get("cache-status")).toContain("hit");
  });
});

test("a blocked client is rejected within 10 s", async () => {
  const client = "192.0.2.99";
  const network = parseNetworkToBlock(client);
  if (typeof network === "string") throw new Error(network);
  expect((await callFrom(client, "/v1/products")).status).toBe(200);
  await setBlock(system.pool, { network, reason: "a test", forS: null });
  await expect
    .poll(async () => (await callFrom(client, "/v1/products")).status, { timeout: 12_000, interval: 100 })
    .toBe(403);
});

test("a repeat offender is blocked temporarily", async () => {
  const client = "192.0.2.120";
  for (let turn = 0; turn < 6; turn += 1) await callFrom(client, "/.env");
  await expect
    .poll(async () => (await callFrom(client, "/v1/products")).status, { timeout: 15_000, interval: 100 })
    .toBe(403);
  // Others who share the address have credentials.
  for (const path of ["/v1/products", "/v1/orders"])
    expect((await callFrom(client, path, { key: alice })).status).toBe(200);
  expect((await callFrom(client, "/v1/orders", { key: await issuer.token() })).status).toBe(200);
});
