import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { createKey, VERSION_FIELD, writeKeyRecord } from "../../src/middleware/auth/api-keys.ts";
import { isNotExecuted } from "../../src/middleware/signature/not-executed.ts";
import { signRequest } from "../../src/middleware/signature/sign.ts";
import { parseSigningKeys } from "../../src/middleware/signature/signing-keys.ts";
import { revokeKey } from "../../src/origin/admin/keys.ts";
import { readVersion } from "../../src/origin/admin/publish.ts";
import { sampleProductId } from "../../src/origin/api/sample-data.ts";
import { nodeHmac } from "../../src/origin/config/hmac.ts";
import { problemOf } from "../support/problem-of.ts";
import { type System, startSystem } from "../support/system.ts";

let system: System;
let key: string;

beforeAll(async () => {
  system = await startSystem();
  key = (await system.createKey("alice")).key;
});
afterAll(() => system?.stop());

const order = { lines: [{ productId: sampleProductId(1), quantity: 1 }] };

describe("route", () => {
  test.each([
    "/",
    "/v1",
    "/v1/products/",
    "/v1/orders/a/b",
    "/_edge/keys/x",
    "/health",
    "/ready",
    "/.env",
  ])("%s is in no contract: 404", async (path) => {
    expect((await problemOf(await system.call(path))).code).toBe("not_found");
  });

  test("a method that the path does not know is 405 with Allow", async () => {
    const response = await system.call("/v1/products", { method: "DELETE" });
    expect(response.headers.get("allow")).toBe("GET, HEAD, OPTIONS, POST");
    expect((await problemOf(response)).code).toBe("method_not_allowed");
  });

  test("HEAD answers as GET without a body", async () => {
    const response = await system.call(`/v1/products/${sampleProductId(1)}`, { method: "HEAD" });
    expect(response.status).toBe(200);
    expect(response.headers.get("etag")).toMatch(/^"\d+"$/);
    expect(await response.text()).toBe("");
  });
});

describe("cross-origin", () => {
  const preflight = (path: string, method: string) =>
    system.call(path, {
      method: "OPTIONS",
      headers: { origin: "https://shop.example", "access-control-request-method": method },
    });

  test("a preflight for a public route is answered at the edge", async () => {
    const response = await preflight("/v1/products", "GET");
    expect(response.status).toBe(204);
    expect(response.headers.get("access-control-allow-origin")).toBe("*");
    expect(response.headers.get("access-control-allow-methods")).toBe("GET");
  });

  test("a preflight for a route that no page may call is refused", async () => {
    const response = await preflight("/v1/orders", "POST");
    expect(response.status).toBe(403);
    expect(response.headers.has("access-control-allow-origin")).toBe(false);
  });

  test("an actual answer carries the fields where the policy lets the page use it, and only there", async () => {
    const headers = { origin: "https://shop.example" };
    const open = await system.call("/v1/products", { headers });
    expect(open.headers.get("access-control-allow-origin")).toBe("*");
    const closed = await system.call("/v1/orders", { key, headers });
    expect(closed.status).toBe(200);
    expect(closed.headers.has("access-control-allow-origin")).toBe(false);
  });
});

describe("body", () => {
  test("a body above the route's size is 413, announced or not", async () => {
    const body = JSON.stringify({ lines: [], padding: "x".repeat(9_000) });
    const headers = { "content-type": "application/json" };
    const announced = await system.call("/v1/orders", { method: "POST", key, body, headers });
    expect((await problemOf(announced)).code).toBe("content_too_large");
    const chunked = await fetch(`${system.edgeUrl}/v1/orders`, {
      method: "POST",
      headers: { ...headers, authorization: `Bearer ${key}` },
      body: new Blob([body]).stream(),
      duplex: "half",
    });
    expect((await problemOf(chunked)).code).toBe("content_too_large");
  });

  test("a body on a route that takes none is 413", async () => {
    const path = `/v1/orders/${crypto.randomUUID()}/cancel`;
    const response = await system.call(path, { method: "POST", key, json: { why: "no reason" } });
    expect((await problemOf(response)).detail).toBe("This route takes no body.");
  });

  test.each([
    "text/plain",
    "application/x-www-form-urlencoded",
    "application/json; charset=latin1",
  ])("%s is 415", async (type) => {
    const response = await system.call("/v1/orders", {
      method: "POST",
      key,
      body: "{}",
      headers: { "content-type": type },
    });
    expect((await problemOf(response)).code).toBe("unsupported_media_type");
  });
});

describe("authentication", () => {
  test.each([
    ["none", {}],
    ["another scheme", { authorization: "Basic YTpi" }],
    ["no key", { authorization: "Bearer" }],
    ["a text that is no key", { authorization: "Bearer nonsense" }],
    ["a key that nobody has", { authorization: `Bearer bwk_${"a".repeat(12)}_${"b".repeat(43)}` }],
  ])("%s is 401 with a challenge", async (_, headers) => {
    const response = await system.call("/v1/orders", { headers });
    expect(response.status).toBe(401);
    expect(response.headers.get("www-authenticate")).toMatch(/^Bearer realm="api"/);
    expect((await problemOf(response)).code).toBe("unauthenticated");
  });

  test("a known id with another secret is 401", async () => {
    const forged = `${key.slice(0, -43)}${"A".repeat(43)}`;
    expect((await system.call("/v1/orders", { key: forged })).status).toBe(401);
  });

  test("a key without the route's scope is 403, and told which it lacks", async () => {
    const reader = await system.createKey("alice", ["orders:read"]);
    const response = await system.call("/v1/orders", { method: "POST", key: reader.key, json: order });
    expect((await problemOf(response)).detail).toContain("orders:write");
  });

  test("a revoked key that no isolate has seen yet is 401", async () => {
    const { id, key: revoked } = await system.createKey("mallory");
    await revokeKey(system.pool, id);
    await expect
      .poll(async () => (await system.redis.hashField(`${system.keyPrefix}keys`, id)) === null, {
        timeout: 10_000,
      })
      .toBe(true);
    expect((await system.call("/v1/orders", { key: revoked })).status).toBe(401);
  });

  test("what stands in Redis is believed without asking an origin", async () => {
    const { id, key: published, hash } = createKey((bytes) => crypto.getRandomValues(bytes));
    const name = `${system.keyPrefix}keys`;
    // Origins replace a hash that has another version than the database.
    const version = await readVersion(system.pool, "keys");
    await expect.poll(() => system.redis.hashField(name, VERSION_FIELD), { timeout: 10_000 }).toBe(version);
    const record = { id, hash, principal: "redis-only", scopes: ["orders:read"], expiresAtMs: null };
    await system.redis.replaceHash(name, { [VERSION_FIELD]: version, [id]: writeKeyRecord(record) });
    expect((await system.call("/v1/orders", { key: published })).status).toBe(200);
    await system.redis.remove(name);
  });

  test("a key is found at the origin while Redis has lost everything", async () => {
    const { key: fresh } = await system.createKey("dave");
    await system.redis.remove(`${system.keyPrefix}keys`);
    expect((await system.call("/v1/orders", { key: fresh })).status).toBe(200);
  });

  test("what Redis has lost is published again", async () => {
    await system.redis.remove(`${system.keyPrefix}keys`);
    await expect
      .poll(() => system.redis.hashField(`${system.keyPrefix}keys`, "@version"), { timeout: 10_000 })
      .not.toBeNull();
  });
});

describe("between the tiers", () => {
  test.each([
    "/v1/products",
    "/v1/orders",
    "/openapi.json",
    "/_edge/keys/x",
    "/nowhere",
  ])("straight to the origin, unsigned, %s is 401", async (path) => {
    const response = await fetch(`${system.origins[0]?.url}${path}`, {
      headers: {
        "breakwater-context":
          'client="192.0.2.9", auth=api-key, principal="alice", scopes="orders:read", timeout-ms=5000, attempt=1',
      },
    });
    expect((await problemOf(response)).code).toBe("unsigned");
  });

  const signedOrder = async (
    nonce: string,
    atMs = Date.now(),
  ): Promise<Response & { readonly isNotExecuted: boolean }> => {
    const url = system.origins[0]?.url ?? "";
    const [key] = parseSigningKeys(system.signingKeys, nodeHmac);
    if (typeof key === "string" || key === undefined) throw new Error("no signing key");
    const path = `/v1/orders/${crypto.randomUUID()}/cancel`;
    const target = { method: "POST", authority: new URL(url).host, path, query: "" };
    const headers = {
      "x-request-id": crypto.randomUUID(),
      "breakwater-context":
        'client="127.0.0.1", auth=api-key, principal="alice", scopes="orders:write", timeout-ms=5000, attempt=1',
    };
    const fields = await signRequest(key, target, headers, { nowMs: atMs, nonce });
    const response = await fetch(`${url}${path}`, { method: "POST", headers: { ...headers, ...fields } });
    const field = (name: string) => response.headers.get(name);
    return Object.assign(response, {
      isNotExecuted: await isNotExecuted(key, fields.signature, response.status, field),
    });
  };

  test("a signed write that is sent again is refused by the pod that took it", async () => {
    const nonce = "a".repeat(22);
    expect((await signedOrder(nonce)).status).toBe(404);
    expect((await problemOf(await signedOrder(nonce))).code).toBe("unsigned");
  });

  test("a signed write that another pod has taken is refused by all", async () => {
    const nonce = "b".repeat(22);
    expect(await system.redis.setIfAbsent(`${system.keyPrefix}nonce:${nonce}`, 60_000)).toBe(true);
    expect((await problemOf(await signedOrder(nonce))).code).toBe("unsigned");
  });

  test.each([
    ["past", -60_000],
    ["still to come", 60_000],
  ])("a write whose signature's time is %s is told, signed, that nothing was done", async (when, offsetMs) => {
    const nonce = `c-${when.replaceAll(" ", "-")}`.padEnd(22, "c");
    const response = await signedOrder(nonce, Date.now() + offsetMs);
    expect(response.status).toBe(401);
    expect(response.isNotExecuted).toBe(true);
    // Another pod may have taken what comes a second time.
    expect((await signedOrder(nonce, Date.now() + offsetMs)).isNotExecuted).toBe(false);
  });

  test("a write that is refused because another one has taken it is not said to be undone", async () => {
    const nonce = "d".repeat(22);
    await signedOrder(nonce);
    expect((await signedOrder(nonce)).isNotExecuted).toBe(false);
  });

  test("/health and /ready stay reachable, on both ports", async () => {
    const [origin] = system.origins;
    for (const base of [origin?.url, origin?.adminUrl]) {
      expect((await fetch(`${base}/health`)).status).toBe(200);
      const ready = await fetch(`${base}/ready`);
      expect(ready.status).toBe(200);
      expect(await ready.json()).toEqual({
        ready: true,
        migrated: true,
        draining: false,
        dependencies: { database: "up", redis: "up" },
      });
    }
  });

  test("what a client says of itself in the tiers' own fields is never believed", async () => {
    const victim = await (await system.call("/v1/orders", { method: "POST", key, json: order })).headers.get(
      "location",
    );
    const { key: other } = await system.createKey("eve");
    const response = await system.call(`${victim}`, {
      key: other,
      headers: {
        "breakwater-context":
          'client="192.0.2.9", auth=api-key, principal="alice", scopes="orders:read", timeout-ms=5000, attempt=1',
        "x-request-id": "chosen-by-the-client",
      },
    });
    expect(response.status).toBe(404);
    expect(response.headers.get("x-request-id")).toMatch(/^[0-9a-f-]{36}$/);
  });
});

describe("every answer", () => {
  test.each([
    "/v1/products",
    "/docs",
    "/openapi.json",
    "/nowhere",
  ])("%s carries the security header fields", async (path) => {
    const { headers } = await system.call(path);
    expect(headers.get("x-content-type-options")).toBe("nosniff");
    expect(headers.get("strict-transport-security")).toContain("max-age=");
    expect(headers.get("content-security-policy")).toContain("default-src 'none'");
    expect(headers.get("x-request-id")).toMatch(/^[0-9a-f-]{36}$/);
  });

  test("names no part of what is behind it", async () => {
    const { headers } = await system.call("/v1/products");
    const names = [...headers.keys()];
    expect(names.filter((name) => /^(server|x-powered-by|breakwater-.*|signature.*)$/.test(name))).toEqual(
      [],
    );
  });
});
