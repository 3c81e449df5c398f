/** An origin that guards itself (`server.guards: origin`): the same chain, without an edge. */
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { parseNetworkToBlock, setBlock } from "../../src/origin/admin/blocklist/store.ts";
import { sampleProductId } from "../../src/origin/api/sample-data.ts";
import { send } from "../support/backing.ts";
import { type Issuer, startIssuer } from "../support/issuer.ts";
import { problemOf } from "../support/problem-of.ts";
import { eventsOf } from "../support/security-events.ts";
import { type CallInit, call, type System, startSystem } from "../support/system.ts";

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

/** At the origin itself, behind a gateway that names the client. */
const callFrom = (client: string, path: string, { headers, ...init }: CallInit = {}): Promise<Response> =>
  call(origin, path, { ...init, headers: { "x-forwarded-for": client, ...headers } });
const ask = (path: string, init?: CallInit): Promise<Response> => callFrom("198.51.100.1", path, init);

describe("what the contract allows", () => {
  test("is served, and says nothing that only an edge may know", async () => {
    const response = await ask("/v1/products?limit=1");
    expect(response.status).toBe(200);
    expect(response.headers.get("x-content-type-options")).toBe("nosniff");
    expect(response.headers.get("ratelimit")).toMatch(/^"/);
    expect([...response.headers.keys()].filter((name) => name.startsWith("breakwater-"))).toEqual([]);
  });

  test("is done once for a key, and tells no client what it has made old", async () => {
    const init = { method: "POST", key: alice, json: order, headers: { "idempotency-key": "once" } };
    const [first, second] = [await ask("/v1/orders", init), await ask("/v1/orders", init)];
    expect([first.status, second.status]).toEqual([201, 201]);
    expect(second.headers.get("idempotency-replayed")).toBe("true");
    expect(second.headers.get("location")).toBe(first.headers.get("location"));
    expect(first.headers.has("breakwater-invalidated")).toBe(false);
  });

  test("is served to who has a token of the issuer", async () => {
    expect((await ask("/v1/orders", { key: await issuer.token() })).status).toBe(200);
    expect((await ask("/v1/orders", { key: await issuer.token({ aud: "other" }) })).status).toBe(401);
  });

  test("is served to an edge as well, which signs", async () => {
    expect((await system.call("/v1/orders", { key: alice })).status).toBe(200);
  });

  test("may be used by other sites' pages where it says so", async () => {
    const headers = { origin: "https://shop.example" };
    expect((await ask("/v1/products", { headers })).headers.get("access-control-allow-origin")).toBe("*");
    const preflight = await ask("/v1/orders", {
      method: "OPTIONS",
      headers: { ...headers, "access-control-request-method": "POST" },
    });
    expect(preflight.status).toBe(403);
  });
});

describe("what it does not allow is refused:", () => {
  test.each<[what: string, code: string, path: string, init: CallInit]>([
    ["what does not exist", "not_found", "/nowhere", {}],
    ["a method that a path does not know", "method_not_allowed", "/v1/products", { method: "DELETE" }],
    ["what needs credentials", "unauthenticated", "/v1/orders", {}],
    [
      "a key that there is not",
      "unauthenticated",
      "/v1/orders",
      { key: `bwk_${"a".repeat(12)}_${"b".repeat(43)}` },
    ],
    ["the edge's own paths", "unsigned", "/_edge/keys/x", {}],
    [
      "a signature that is none",
      "unsigned",
      "/v1/products",
      { headers: { signature: "edge=:AAAA:", "signature-input": "edge=()" } },
    ],
  ])("%s", async (_, code, path, init) => {
    expect(await problemOf(await ask(path, init))).toMatchObject({ code });
  });

  test("a body of another type", async () => {
    const headers = { "content-type": "text/plain" };
    const response = await ask("/v1/orders", { method: "POST", key: alice, json: order, headers });
    expect(await problemOf(response)).toMatchObject({ code: "unsupported_media_type" });
  });

  test("a body that is larger than its route takes", async () => {
    const response = await ask("/v1/orders", {
      method: "POST",
      key: alice,
      json: { lines: "x".repeat(20_000) },
    });
    expect(response.status).toBe(413);
  });

  test("a key without the scope, and another's order", async () => {
    const reader = (await system.createKey("reader", ["orders:read"])).key;
    expect((await ask("/v1/orders", { method: "POST", key: reader, json: order })).status).toBe(403);
    const placed = await ask("/v1/orders", { method: "POST", key: alice, json: order });
    expect((await ask(placed.headers.get("location") ?? "", { key: reader })).status).toBe(404);
  });

  test("more than a limit allows", async () => {
    // More than the buckets of Redis and of this process hold together: on a busy machine both may decide.
    const asked = Array.from(
      { length: 1_000 },
      async () => (await callFrom("192.0.2.50", "/v1/products?limit=1")).status,
    );
    const statuses = await Promise.all(asked);
    expect(statuses.filter((status) => status === 429).length).toBeGreaterThan(0);
    expect(new Set(statuses)).toEqual(new Set([200, 429]));
    expect((await callFrom("192.0.2.51", "/v1/products?limit=1")).status).toBe(200);
  });

  test.each([
    ["/v1/products/..%2f..%2fetc%2fpasswd", {}, 400],
    ["/v1/products/../../etc/passwd", {}, 404],
    ["//v1/products", {}, 404],
    ["/.env", {}, 404],
    ["/v1/products?q=%00", {}, 400],
    ["/v1/orders", { authorization: ["Bearer a", "Bearer b"] }, 401],
    ["/v1/products", { "x-long": "x".repeat(20_000) }, 431],
  ])("%s with %j, before a handler sees it", async (path, headers, status) => {
    expect((await send(origin, { path, headers })).status).toBe(status);
  });
});

describe("what a client says of itself", () => {
  test("in the edge's fields is not believed", async () => {
    const headers = {
      "breakwater-context":
        'client="192.0.2.9", auth=api-key, principal="alice", scopes="orders:read", timeout-ms=5000, attempt=1',
    };
    expect((await ask("/v1/orders", { headers })).status).toBe(401);
  });

  test("in front of what the gateway has written is not believed", async () => {
    await callFrom("192.0.2.77, 192.0.2.78", "/v1/orders");
    await expect.poll(() => eventsOf(system, "192.0.2.78"), { timeout: 20_000 }).toHaveLength(1);
    expect(eventsOf(system, "192.0.2.77")).toEqual([]);
  });

  test("of the cache is not obeyed", async () => {
    const path = `/v1/products/${sampleProductId(3)}`;
    await ask(path);
    const again = await ask(path, { headers: { "cache-control": "no-cache, no-store" } });
    expect(again.headers.get("cache-status")).toContain("hit");
  });
});

test("a blocked client is refused within 10 s", async () => {
  const client = "192.0.2.99";
  const network = parseNetworkToBlock(client);
  if (typeof network === "string") throw new Error(network);
  expect((await callFrom(client, "/v1/products")).status).toBe(200);
  await setBlock(system.pool, { network, reason: "a test", forS: null });
  await expect
    .poll(async () => (await callFrom(client, "/v1/products")).status, { timeout: 12_000, interval: 100 })
    .toBe(403);
});

test("who offends again and again is blocked for a time", async () => {
  const client = "192.0.2.120";
  for (let turn = 0; turn < 6; turn += 1) await callFrom(client, "/.env");
  await expect
    .poll(async () => (await callFrom(client, "/v1/products")).status, { timeout: 15_000, interval: 100 })
    .toBe(403);
});
