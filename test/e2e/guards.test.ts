import fc from "fast-check";
import { afterAll, beforeAll, describe, expect, test, vi } from "vitest";
import { sampleProductId } from "#api/origin/sample-data.ts";
import { internalHeaders } from "../../src/contract/internal-headers.ts";
import { createKey, VERSION_FIELD, writeKeyRecord } from "../../src/middleware/auth/api-keys.ts";
import { FAILED_CHECKS } from "../../src/middleware/auth/failed-checks.ts";
import { isNotExecuted } from "../../src/middleware/signature/not-executed.ts";
import { revokeKey } from "../../src/origin/admin/keys.ts";
import { readVersion } from "../../src/origin/admin/publish.ts";
import { send } from "../support/backing.ts";
import { inParallel } from "../support/load.ts";
import { problemOf } from "../support/problem-of.ts";
import {
  CLIENT,
  fetchSigned,
  type SignedInit,
  type SignedRequest,
  sendSigned,
  signed,
  signingKeyOf,
} from "../support/signed-request.ts";
import { eventsOf, type System, startSystem } from "../support/system.ts";

let system: System;
let key: string;

beforeAll(async () => {
  system = await startSystem();
  key = (await system.createKey("alice")).key;
});
afterAll(() => system?.stop());

/** Longer than the aggregation window. */
const POLL = { timeout: 30_000, interval: 50 };
const GUESSERS = 20;
const order = { lines: [{ productId: sampleProductId(1), quantity: 1 }] };

describe("route", () => {
  test.each([
    "/",
    "/v1",
    "/v1/orders/a/b",
    "/health",
    "/ready",
  ])("%s is not in the contract: 404", async (path) => {
    expect((await problemOf(await system.call(path))).code).toBe("not_found");
  });

  test("an unsupported method is 405 with Allow", async () => {
    const response = await system.call("/v1/products", { method: "DELETE" });
    expect(response.headers.get("allow")).toBe("GET, HEAD, OPTIONS, POST");
    expect((await problemOf(response)).code).toBe("method_not_allowed");
  });

  test("HEAD is answered like GET, without a body", async () => {
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

  test("a preflight for any other route is 403", async () => {
    expect((await preflight("/v1/orders", "POST")).status).toBe(403);
  });

  test("a response has CORS fields only if the route's policy allows it", async () => {
    const headers = { origin: "https://shop.example" };
    const open = await system.call("/v1/products", { headers });
    expect(open.headers.get("access-control-allow-origin")).toBe("*");
    const closed = await system.call("/v1/orders", { key, headers });
    expect(closed.status).toBe(200);
    expect(closed.headers.has("access-control-allow-origin")).toBe(false);
  });
});

test.each([
  "text/plain",
  "application/x-www-form-urlencoded",
  "application/json; charset=latin1",
])("a body of %s is 415", async (type) => {
  const headers = { "content-type": type };
  const response = await system.call("/v1/orders", { method: "POST", key, body: "{}", headers });
  expect((await problemOf(response)).code).toBe("unsupported_media_type");
});

test("the origin accepts the edge's signature of any query", async () => {
  const character = fc.integer({ min: 0x21, max: 0x7e }).map((code) => String.fromCharCode(code));
  const query = fc
    .array(character, { maxLength: 40 })
    .map((characters) => characters.join("").replaceAll("#", ""));
  await fc.assert(
    fc.asyncProperty(query, async (search) => {
      const { status } = await send(system.edgeUrl, { path: `/v1/products?${search}` });
      expect([200, 400]).toContain(status);
    }),
    { numRuns: 200 },
  );
});

test("a non-ASCII header field is 400, and the problem names it", async () => {
  const { status, body } = await send(`${system.edgeUrl}/v1/products/${sampleProductId(1)}`, {
    headers: { "if-none-match": Buffer.from('"ü"', "utf8").toString("latin1") },
  });
  expect(status).toBe(400);
  expect(JSON.parse(body)).toMatchObject({ errors: [{ in: "header", field: "if-none-match" }] });
});

describe("authentication", () => {
  let clients = 0;
  const newClient = (): string => {
    clients += 1;
    return `192.0.2.${100 + clients}`;
  };

  test.concurrent.for<[what: string, reason: string, user: string, authorization?: string]>([
    ["no credentials", "missing", "anonymous"],
    ["another scheme", "missing", "anonymous", "Basic YTpi"],
    ["an empty key", "missing", "anonymous", "Bearer"],
    ["a malformed key", "malformed", "anonymous", "Bearer nonsense"],
    [
      "an unknown key",
      "unknown_key",
      `key:${"a".repeat(12)}`,
      `Bearer bwk_${"a".repeat(12)}_${"b".repeat(42)}c`,
    ],
  ])("%s is 401 with a challenge, and reported as %s of %s", async (row, { expect }) => {
    const [, reason, user, authorization] = row;
    const client = newClient();
    const headers = { "x-local-client": client, ...(authorization !== undefined && { authorization }) };
    const response = await system.call("/v1/orders", { headers });
    expect(response.status).toBe(401);
    expect(response.headers.get("www-authenticate")).toMatch(/^Bearer realm="api"/);
    expect((await problemOf(response)).code).toBe("unauthenticated");
    await expect.poll(() => eventsOf(system, client), POLL).toHaveLength(1);
    const event = { type: "auth_failure", user, reason, route: "listOrders", count: 1 };
    expect(eventsOf(system, client)[0]).toMatchObject(event);
  });

  test("guesses of one address are limited, and a key in use keeps its access there", async () => {
    const headers = { "x-local-client": newClient() };
    expect((await system.call("/v1/orders", { key, headers })).status).toBe(200);
    const statuses: number[] = [];
    const sinceMs = performance.now();
    await inParallel(Array.from({ length: 300 }), GUESSERS, async () => {
      const { key: guess } = createKey((bytes) => crypto.getRandomValues(bytes));
      statuses.push((await system.call("/v1/orders", { key: guess, headers })).status);
    });
    const elapsedS = (performance.now() - sinceMs) / 1_000;
    const checked = statuses.filter((status) => status === 401).length;
    expect(checked).toBeLessThanOrEqual(FAILED_CHECKS.capacity + GUESSERS + elapsedS);
    // If the auto-block comes first, 403.
    expect(statuses.filter((status) => ![401, 403, 429].includes(status))).toEqual([]);
    expect((await system.call("/v1/orders", { key, headers })).status).toBe(200);
  });

  test("a wrong secret is reported with the key's id, without the secret", async () => {
    const client = newClient();
    const { id, key: known } = await system.createKey("alice");
    const forged = `${known.slice(0, -43)}${"A".repeat(43)}`;
    const headers = { "x-local-client": client };
    expect((await system.call("/v1/orders", { key: forged, headers })).status).toBe(401);
    await expect.poll(() => eventsOf(system, client), POLL).toHaveLength(1);
    expect(eventsOf(system, client)[0]).toMatchObject({ reason: "wrong_secret", user: `key:${id}` });
    expect(system.logLines.join()).not.toContain("A".repeat(43));
  });

  test("a key without the route's scope is 403 with the scope's name, and reported with the principal", async () => {
    const client = newClient();
    const { key: reader } = await system.createKey("reader", ["orders:read"]);
    const headers = { "x-local-client": client };
    const response = await system.call("/v1/orders", { method: "POST", key: reader, json: order, headers });
    expect((await problemOf(response)).detail).toContain("orders:write");
    await expect.poll(() => eventsOf(system, client), POLL).toHaveLength(1);
    expect(eventsOf(system, client)[0]).toMatchObject({ reason: "insufficient_scope", user: "reader" });
  });

  test("a revoked key that no isolate has cached is 401", async () => {
    const { id, key: revoked } = await system.createKey("mallory");
    await revokeKey(system.pool, id);
    await expect
      .poll(async () => (await system.redis.hashField(`${system.keyPrefix}keys`, id)) === null, {
        timeout: 10_000,
      })
      .toBe(true);
    expect((await system.call("/v1/orders", { key: revoked })).status).toBe(401);
  });

  test("a key published in Redis is accepted without a request to an origin", async () => {
    const { id, key: published, hash } = createKey((bytes) => crypto.getRandomValues(bytes));
    const name = `${system.keyPrefix}keys`;
    // Origins replace a hash whose version differs from the database's.
    const version = await readVersion(system.pool, "keys");
    await expect.poll(() => system.redis.hashField(name, VERSION_FIELD), { timeout: 10_000 }).toBe(version);
    const record = { id, hash, principal: "redis-only", scopes: ["orders:read"], expiresAtMs: null };
    await system.redis.replaceHash(name, { [VERSION_FIELD]: version, [id]: writeKeyRecord(record) });
    expect((await system.call("/v1/orders", { key: published })).status).toBe(200);
    await system.redis.remove(name);
  });

  test("a key that Redis has lost is found at an origin", async () => {
    const { key: fresh } = await system.createKey("dave");
    await system.redis.remove(`${system.keyPrefix}keys`);
    expect((await system.call("/v1/orders", { key: fresh })).status).toBe(200);
  });

  test("keys that Redis has lost are published again", async () => {
    await system.redis.remove(`${system.keyPrefix}keys`);
    await expect
      .poll(() => system.redis.hashField(`${system.keyPrefix}keys`, "@version"), { timeout: 10_000 })
      .not.toBeNull();
  });
});

const FORGED_CONTEXT = {
  "breakwater-context":
    'client="192.0.2.9", auth=api-key, principal="alice", scopes="orders:read", timeout-ms=5000, attempt=1',
};

describe("between the tiers", () => {
  test.each([
    "/v1/products",
    "/v1/orders",
    "/openapi.json",
    "/_edge/keys/x",
    "/nowhere",
  ])("an unsigned request to the origin for %s is 401", async (path) => {
    const response = await fetch(`${system.origins[0]?.url}${path}`, { headers: FORGED_CONTEXT });
    expect((await problemOf(response)).code).toBe("unsigned");
  });

  // Unit tests change every covered component.
  test.each<[what: string, change: (request: SignedRequest) => Partial<SignedRequest>]>([
    ["query", ({ url }) => ({ url: url.replace("limit=2", "limit=3") })],
    [
      "principal",
      ({ headers }) => {
        const context = headers[internalHeaders.context] ?? "";
        expect(context).toContain('principal="eve"');
        const changed = context.replace('principal="eve"', 'principal="alice"');
        return { headers: { ...headers, [internalHeaders.context]: changed } };
      },
    ],
    ["body", () => ({ body: new TextEncoder().encode('{"lines":[]}') })],
  ])("a signed request with a changed %s is 401", async (_, change) => {
    const init = { method: "POST", json: order, principal: "eve" };
    const one = await signed(system, "/v1/orders?limit=2", init);
    const { url, ...others } = { ...one, ...change(one) };
    const { status, body } = await send(url, others);
    expect(status).toBe(401);
    expect(JSON.parse(body)).toMatchObject({ code: "unsigned" });
  });

  test.each<[what: string, init: SignedInit]>([
    ["read", { principal: "eve" }],
    ["write", { principal: "eve", method: "POST", json: { lines: [] } }],
  ])("a replayed signed %s is 401", async (_, init) => {
    const one = await signed(system, "/v1/orders", init);
    expect((await fetchSigned(one)).status).not.toBe(401);
    expect((await problemOf(await fetchSigned(one))).code).toBe("unsigned");
  });

  test("header fields with addresses do not set the client at the origin", async () => {
    const names = ["cf-connecting-ip", "x-forwarded-for", "x-real-ip", "forwarded", "true-client-ip"];
    const fields = Object.fromEntries(names.map((name) => [name, "192.0.2.99"]));
    const unsigned = await fetch(`${system.origins[0]?.url}/v1/products`, { headers: fields });
    expect(unsigned.status).toBe(401);
    const principal = "client-by-fields";
    const answer = await sendSigned(system, "/v1/orders", { principal, headers: fields });
    expect(answer.status).toBe(200);
    const line = (): string | undefined => system.logLines.find((each) => each.includes(principal));
    await expect.poll(line, { timeout: 10_000 }).toContain(`"client":"${CLIENT}"`);
    expect(line()).not.toContain("192.0.2.99");
  });

  const signedOrder = async (
    nonce: string,
    atMs = Date.now(),
  ): Promise<Response & { readonly isNotExecuted: boolean; readonly isForEdge: boolean }> => {
    const path = `/v1/orders/${crypto.randomUUID()}/cancel`;
    const one = await signed(system, path, { method: "POST", principal: "alice", nonce, atMs });
    const response = await fetchSigned(one);
    const key = signingKeyOf(system.signingKeys);
    const field = (name: string) => response.headers.get(name);
    return Object.assign(response, {
      isForEdge: field(internalHeaders.requestId) === one.headers[internalHeaders.requestId],
      isNotExecuted: await isNotExecuted(key, one.headers["signature"] ?? "", response.status, field),
    });
  };

  test("a signed write that another pod has received has an unknown outcome", async () => {
    const nonce = "b".repeat(22);
    expect(await system.redis.setIfAbsent(`${system.keyPrefix}nonce:${nonce}`, 60_000)).toBe(true);
    expect((await problemOf(await signedOrder(nonce))).code).toBe("outcome_unknown");
  });

  test.each([
    ["past", -60_000],
    ["future", 60_000],
  ])("a write signed in the %s is 401, with a signed proof that it was not executed", async (when, offsetMs) => {
    // Without an answer of Redis in time there is no proof, because another pod may have accepted it.
    const { nonce, isForEdge: isFirstForEdge } = await vi.waitUntil(
      async () => {
        const nonce = `c-${when}-${crypto.randomUUID().slice(0, 8)}`.padEnd(22, "c");
        const { status, isNotExecuted, isForEdge } = await signedOrder(nonce, Date.now() + offsetMs);
        expect(status).toBe(401);
        return isNotExecuted && { nonce, isForEdge };
      },
      { timeout: 10_000, interval: 200 },
    );
    expect(isFirstForEdge).toBe(true);
    // Another pod may have accepted a replay. The edge does not pass on a response without its request id.
    const { isNotExecuted, isForEdge } = await signedOrder(nonce, Date.now() + offsetMs);
    expect([isNotExecuted, isForEdge]).toEqual([false, false]);
  });

  test("/health and /ready need no signature, on both ports", async () => {
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

  test("a client's own values of the tiers' fields are ignored", async () => {
    const placed = await system.call("/v1/orders", { method: "POST", key, json: order });
    const { key: other } = await system.createKey("eve");
    const headers = { ...FORGED_CONTEXT, "x-request-id": "chosen-by-the-client" };
    const response = await system.call(placed.headers.get("location") ?? "", { key: other, headers });
    expect(response.status).toBe(404);
    expect(response.headers.get("x-request-id")).toMatch(/^[0-9a-f-]{36}$/);
  });
});

describe("every response", () => {
  test.each([
    "/v1/products",
    "/docs",
    "/openapi.json",
    "/nowhere",
  ])("to %s has the security header fields", async (path) => {
    const { headers } = await system.call(path);
    expect(headers.get("x-content-type-options")).toBe("nosniff");
    expect(headers.get("strict-transport-security")).toContain("max-age=");
    expect(headers.get("content-security-policy")).toContain("default-src 'none'");
    expect(headers.get("x-request-id")).toMatch(/^[0-9a-f-]{36}$/);
  });

  test("reveals nothing internal in its header fields", async () => {
    const { headers } = await system.call("/v1/products");
    const names = [...headers.keys()];
    expect(names.filter((name) => /^(server|x-powered-by|breakwater-.*|signature.*)$/.test(name))).toEqual(
      [],
    );
  });
});
