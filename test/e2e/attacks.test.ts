/** Attacks, and whether each is rejected, made harmless, or stopped by the runtime before our code. */
import { connect } from "node:net";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { perClient } from "#api/contract/limits.ts";
import { sampleProductId } from "#api/origin/sample-data.ts";
import { parseNetwork } from "../../src/middleware/blocklist/network.ts";
import { setBlock } from "../../src/origin/admin/blocklist/store.ts";
import { type Reply, send } from "../support/backing.ts";
import { fetchRead } from "../support/fetch.ts";
import { inParallel } from "../support/load.ts";
import { problemOf } from "../support/problem-of.ts";
import { type CallInit, eventsOf, type System, startSystem } from "../support/system.ts";

let system: System;
let alice: string;
let eve: string;

beforeAll(async () => {
  system = await startSystem();
  alice = (await system.createKey("alice")).key;
  eve = (await system.createKey("eve")).key;
});
afterAll(() => system?.stop());

const PRODUCT = sampleProductId(1);
const order = { lines: [{ productId: PRODUCT, quantity: 1 }] };

/** Sends the target exactly as written. */
const raw = (path: string, init: Omit<Parameters<typeof send>[1], "path"> = {}): Promise<Reply> =>
  send(system.edgeUrl, { path, ...init });

/** Sends bytes. @returns everything received until the other end closes, or a second passes */
const wire = async (bytes: string): Promise<string> => {
  const { hostname, port } = new URL(system.edgeUrl);
  const socket = connect({ host: hostname, port: Number(port) });
  let heard = "";
  socket.setEncoding("latin1").on("data", (chunk: string) => {
    heard += chunk;
  });
  const closed = Promise.withResolvers<void>();
  socket.once("close", () => closed.resolve());
  // The other end may close before it has read everything.
  socket.on("error", () => undefined);
  socket.setTimeout(1_000, () => socket.destroy());
  socket.write(bytes, "latin1");
  await closed.promise;
  return heard;
};

let nextClient = 0;
/** Each request misses the caches. */
let nextLimit = 0;

/** The head of a request with a key, on a connection that the server closes. */
const headOf = (requestLine: string, ...fields: readonly string[]): string =>
  [`${requestLine} HTTP/1.1`, "Host: a", "Connection: close", ...fields, "", ""].join("\r\n");

const statusesIn = (heard: string): number[] =>
  [...heard.matchAll(/^HTTP\/1\.1 (\d{3})/gm)].map(([, status]) => Number(status));

describe("the target", () => {
  test.concurrent.for<[path: string, status: number, rule?: string]>([
    ["//v1/products", 404, "empty_segment"],
    ["/v1//products", 404, "empty_segment"],
    ["/v1/products/", 404],
    ["/v1/products;jsessionid=1", 404, "path_parameter"],
    ["/V1/PRODUCTS", 404],
    ["/.env", 404, "scanner_path"],
    ["/.git/config", 404, "scanner_path"],
    ["/wp-login.php", 404, "scanner_path"],
    ["/_edge/keys/x", 404],
    ["/_edge/blocklist", 404],
    ["/v1/products/..%2f..%2fetc%2fpasswd", 400, "path_traversal"],
    ["/v1/products/%252e%252e%252fetc", 400, "path_traversal"],
    ["/v1/products/%00", 400, "control_characters"],
    [`/v1/products/${PRODUCT}%00`, 400, "control_characters"],
    ["/v1/products/%c0%ae%c0%ae", 400, "path_traversal"],
    ["/v1/products/a%5C..%5Cb", 400, "path_traversal"],
    ["/v1/products/a%5Cb", 400, "encoded_separator"],
    ["/v1/products/a%2fb", 400, "encoded_separator"],
    ["/v1/products/%0d%0aSet-Cookie:%20a=1", 400, "control_characters"],
    ["/v1/products/%ff", 400, "malformed_encoding"],
    ["/v1/products/%zz", 400, "malformed_encoding"],
    ["/v1/products?q=%00", 400, "control_characters"],
    [`/v1/products?q=${"a".repeat(9_000)}`, 414, "url_too_long"],
    ["/v1/products/' OR 1=1--", 400],
  ])("%s is rejected with %i, and reported as %s", async ([path, status, rule], { expect }) => {
    nextClient += 1;
    const client = `192.0.2.${nextClient}`;
    const answer = await raw(path.replaceAll(" ", "%20"), { headers: { "x-local-client": client } });
    expect(answer.status).toBe(status);
    expect(JSON.parse(answer.body)).toMatchObject({ status });
    expect(answer.headers).not.toHaveProperty("set-cookie");
    if (rule === undefined) return;
    await expect.poll(() => eventsOf(system, client), { timeout: 20_000 }).toHaveLength(1);
    expect(eventsOf(system, client)[0]).toMatchObject({ type: "suspicious_activity", rule, count: 1 });
  });

  test.each([
    ["/v1/products/%2e%2e/products"],
    ["/v1/./products"],
    ["/v1/products/../products"],
    ["/v1\\products"],
  ])("%s is harmless, because the runtime resolves it", async (path) => {
    expect((await raw(path)).status).toBe(200);
  });

  test("dots that lead out of the API are resolved to its root: 404", async () => {
    expect((await raw("/../../etc/passwd")).status).toBe(404);
  });

  test("an absolute target of another host is not forwarded there", async () => {
    const heard = await wire(
      "GET http://evil.example/.env HTTP/1.1\r\nHost: evil.example\r\nConnection: close\r\n\r\n",
    );
    // The local runtime rejects every absolute target; the platform rejects foreign hosts.
    expect(statusesIn(heard).every((status) => status >= 400)).toBe(true);
  });

  test("a foreign Host changes no response", async () => {
    const answer = await raw("/v1/products?limit=1", { headers: { host: "evil.example" } });
    expect(answer.status).toBe(200);
    expect(answer.body + JSON.stringify(answer.headers)).not.toContain("evil.example");
  });
});

describe("header fields", () => {
  test("two Authorization fields are not credentials", async () => {
    const fields = [eve, alice].map((key) => `Authorization: Bearer ${key}`);
    expect(statusesIn(await wire(headOf("GET /v1/orders", ...fields)))).toEqual([401]);
  });

  test("two Content-Type fields are 415", async () => {
    const types = ["Content-Type: application/json", "Content-Type: text/plain"];
    const head = headOf("POST /v1/orders", `Authorization: Bearer ${alice}`, ...types, "Content-Length: 2");
    expect(statusesIn(await wire(`${head}{}`))).toEqual([415]);
  });

  test("above the runtime's limit are stopped by the runtime", async () => {
    const heard = await wire(headOf("GET /v1/products", `X-Large: ${"x".repeat(1_000_000)}`));
    expect(statusesIn(heard).every((status) => status >= 400 && status < 500)).toBe(true);
  });

  test.each([
    ["a Content-Type that is not ASCII", "Content-Type: \xe9"],
    ["an Accept-Language that is not ASCII", "Accept-Language: \xff"],
    ["a control character in User-Agent", "User-Agent: a\x01b"],
    ["a User-Agent of 15,900 characters", `User-Agent: ${"x".repeat(15_900)}`],
    ["an Accept of 15,900 characters", `Accept: ${"x".repeat(15_900)}`],
  ])("%s never reaches an origin, and the request is served", async (_, field) => {
    nextLimit += 1;
    const heard = await wire(headOf(`GET /v1/products?limit=${nextLimit}`, field));
    // The runtime may reject what is not valid HTTP.
    expect(statusesIn(heard)).toEqual([expect.toBeOneOf([200, 400])]);
  });

  test("a declared field that is too long is 400, not a failure of the origins", async () => {
    const head = headOf("GET /v1/products/x", `If-None-Match: "${"x".repeat(15_900)}"`);
    expect(statusesIn(await wire(head))).toEqual([400]);
  });

  test.each([
    "x-http-method-override",
    "x-http-method",
    "x-method-override",
  ])("%s overrides nothing", async (name) => {
    const { status } = await raw("/v1/products?limit=1", { headers: { [name]: "DELETE" } });
    expect(status).toBe(200);
  });

  test.each(["TRACE", "PROPFIND", "PURGE"])("the method %s is rejected", async (method) => {
    const heard = await wire(headOf(`${method} /v1/products`));
    expect(statusesIn(heard).every((status) => [400, 405, 501].includes(status))).toBe(true);
  });

  test.each(["x-original-url", "x-rewrite-url"])("%s does not change the path", async (name) => {
    expect((await raw("/nowhere", { headers: { [name]: "/v1/products" } })).status).toBe(404);
  });
});

describe("addresses", () => {
  /** The remaining quota in the response to one request from each client. */
  const remainingOf = async (edgeUrl: string, clients: readonly string[]): Promise<number[]> => {
    const remaining: number[] = [];
    await inParallel(clients, 10, async (client) => {
      const response = await fetchRead(`${edgeUrl}/v1/products/${PRODUCT}`, {
        headers: { "x-local-client": client },
      });
      await response.arrayBuffer();
      remaining.push(Number(/r=(\d+)/.exec(response.headers.get("ratelimit") ?? "")?.[1]));
    });
    return remaining;
  };

  test("of one /64 share a bucket, and different /64s do not", async () => {
    const edgeUrl = await system.startEdge({ RATE_LIMITS: "enforce" });
    const within = Array.from({ length: 100 }, (_, n) => `2001:db8:1:2::${(n + 1).toString(16)}`);
    const others = Array.from({ length: 100 }, (_, n) => `2001:db8:2:${(n + 1).toString(16)}::1`);
    const untouched = perClient.capacity - 1;
    expect(Math.min(...(await remainingOf(edgeUrl, within)))).toBeLessThan(untouched);
    // A token may come back before the response is written.
    expect(Math.min(...(await remainingOf(edgeUrl, others)))).toBeGreaterThanOrEqual(untouched);
  });

  test("of blocked clients cannot be replaced by header fields", async () => {
    const client = "198.51.100.66";
    const network = parseNetwork(client);
    if (network === undefined) throw new Error(`${client} is not an address`);
    await setBlock(system.pool, { network, reason: "a test", forS: null });
    const from = (address: string, more: Readonly<Record<string, string>> = {}): Promise<Reply> =>
      raw("/v1/products?limit=1", { headers: { "x-local-client": address, ...more } });
    await expect.poll(async () => (await from(client)).status, { timeout: 12_000 }).toBe(403);
    for (const name of ["x-forwarded-for", "x-real-ip", "forwarded", "true-client-ip", "cf-connecting-ip"])
      expect((await from(client, { [name]: "192.0.2.1" })).status).toBe(403);
    expect((await from(`::ffff:${client}`)).status).toBe(403);
    expect(JSON.parse((await from(client)).body)).toMatchObject({ code: "blocked" });
  });
});

describe("framing", () => {
  const smuggled = "GET /v1/products?limit=1 HTTP/1.1\r\nHost: a\r\n\r\n";

  test.each([
    [
      "Content-Length with Transfer-Encoding",
      `Content-Length: ${5 + smuggled.length}\r\nTransfer-Encoding: chunked`,
    ],
    ["two lengths", `Content-Length: 5\r\nContent-Length: ${5 + smuggled.length}`],
    ["an invalid length", "Content-Length: +5"],
  ])("%s cannot smuggle a request", async (_, fields) => {
    const heard = await wire(
      `POST /v1/orders HTTP/1.1\r\nHost: a\r\nAuthorization: Bearer ${alice}\r\n${fields}\r\n\r\n0\r\n\r\n${smuggled}`,
    );
    expect(heard).not.toContain('"items"');
    expect(statusesIn(heard).filter((status) => status < 400)).toEqual([]);
  });

  test("a chunked body above the route's limit is 413", async () => {
    const chunk = `1000\r\n${"x".repeat(4096)}\r\n`;
    const fields = [
      `Authorization: Bearer ${alice}`,
      "Content-Type: application/json",
      "Transfer-Encoding: chunked",
    ];
    const heard = await wire(`${headOf("POST /v1/orders", ...fields)}${chunk.repeat(4)}0\r\n\r\n`);
    // The connection may be cut before the response is read.
    expect(statusesIn(heard).filter((status) => status !== 413)).toEqual([]);
  });
});

describe("credentials", () => {
  const encode = (value: unknown): string => Buffer.from(JSON.stringify(value)).toString("base64url");
  const claims = { sub: "alice", scope: "orders:read", exp: 4_000_000_000 };

  test.each([
    ["a truncated key", () => alice.slice(0, -1)],
    ["an extended key", () => `${alice}A`],
    ["one's own id with another's secret", () => `${alice.slice(0, -43)}${eve.slice(-43)}`],
    ["another's id with one's own secret", () => `${eve.slice(0, -43)}${alice.slice(-43)}`],
    ["a key in capitals", () => alice.toUpperCase()],
    ["a token without a signature", () => `${encode({ alg: "none" })}.${encode(claims)}.`],
    ["a token with a made-up one", () => `${encode({ alg: "HS256" })}.${encode(claims)}.${"A".repeat(43)}`],
    ["a very long key", () => `bwk_${"A".repeat(6_000)}`],
  ])("%s is 401", async (_, token) => {
    const response = await system.call("/v1/orders", { key: token() });
    expect((await problemOf(response)).code).toBe("unauthenticated");
    expect(response.status).toBe(401);
  });

  test.each([
    "?key=",
    "?access_token=",
    "?authorization=Bearer%20",
  ])("a key in the query (%s) is ignored", async (query) => {
    expect((await system.call(`/v1/orders${query}${alice}`)).status).toBe(401);
  });
});

test("another principal's order is 404 like an unknown one, to read or cancel", async () => {
  const placed = await system.call("/v1/orders", { method: "POST", key: alice, json: order });
  const location = placed.headers.get("location") ?? "";
  expect((await system.call(location, { key: alice })).status).toBe(200);
  for (const other of [location, `/v1/orders/${crypto.randomUUID()}`]) {
    expect((await problemOf(await system.call(other, { key: eve }))).code).toBe("not_found");
    expect((await system.call(`${other}/cancel`, { method: "POST", key: eve })).status).toBe(404);
  }
});

describe("bodies", () => {
  const post = (init: CallInit): Promise<Response> =>
    system.call("/v1/orders", { method: "POST", key: alice, ...init });
  const json = (body: string): CallInit => ({ body, headers: { "content-type": "application/json" } });

  test.each([
    ["mass assignment of the owner", json(JSON.stringify({ ...order, principal: "eve" }))],
    [
      "mass assignment of a price",
      json(JSON.stringify({ lines: [{ productId: PRODUCT, quantity: 1, unitPrice: { amount: 0 } }] })),
    ],
    ["a negative quantity", json(JSON.stringify({ lines: [{ productId: PRODUCT, quantity: -1 }] }))],
    ["an infinite quantity", json(`{"lines":[{"productId":"${PRODUCT}","quantity":1e999}]}`)],
    ["a prototype by name", json(`{"lines":[],"__proto__":{"scopes":["products:write"]}}`)],
    ["a prototype by constructor", json(`{"lines":[],"constructor":{"prototype":{"a":1}}}`)],
    ["deep nesting", json("[".repeat(4_000))],
    ["closed deep nesting", json(`${"[".repeat(4_000)}${"]".repeat(4_000)}`)],
    ["a duplicate field", json(`{"lines":[],"lines":[]}`)],
    ["invalid UTF-8", json("\ud800")],
    ["two documents", json("{}{}")],
    ["a query operator", json(`{"lines":{"$gt":""}}`)],
  ])("with %s are 400", async (_, init) => {
    const response = await post(init);
    expect(response.status).toBe(400);
    expect((await problemOf(response)).code).toBe("invalid_request");
    expect(Object.hasOwn(Object.prototype, "a")).toBe(false);
  });

  test("above the route's limit are 413 before they are read", async () => {
    expect((await post(json(`{"lines":"${"x".repeat(1_000_000)}"}`))).status).toBe(413);
  });

  test.each(["GET", "HEAD"])("of %s requests in chunks are 413, unless they are empty", async (method) => {
    const chunks = (text: string) =>
      wire(`${headOf(`${method} /v1/products?limit=1`, "Transfer-Encoding: chunked")}${text}0\r\n\r\n`);
    expect(statusesIn(await chunks("2\r\n{}\r\n"))).toEqual([413]);
    expect(statusesIn(await chunks(""))).toEqual([200]);
  });

  test("of GET requests are 413", async () => {
    const { status } = await raw("/v1/products?limit=1", { headers: { "content-length": "2" }, body: "{}" });
    expect(status).toBe(413);
  });
});

describe("input for slow patterns", () => {
  const long = "a".repeat(4_000);
  test.each([
    ["a search", `/v1/products?q=${encodeURIComponent(`${"a ".repeat(49)}!`)}`, {}],
    ["a condition", `/v1/products/${PRODUCT}`, { "if-none-match": `${'"a",'.repeat(240)}"` }],
    ["an Origin", "/v1/products?limit=1", { origin: `https://${long}` }],
    ["a media type", "/v1/products?limit=1", { accept: `${"a/b;".repeat(900)}` }],
    ["credentials", "/v1/orders", { authorization: `Bearer ${" ".repeat(4_000)}x y` }],
    ["a cursor", `/v1/products?cursor=${"A".repeat(301)}`, {}],
  ])("in %s does not slow the response", async (_, path, headers) => {
    const beganAtMs = performance.now();
    expect((await system.call(path, { headers })).status).toBeLessThan(500);
    // The route's own deadline is ten seconds.
    expect(performance.now() - beganAtMs).toBeLessThan(5_000);
  });
});

describe("the caches", () => {
  test.each([
    ["x-forwarded-host", "evil.example"],
    ["x-forwarded-scheme", "http"],
    ["x-original-url", "/v1/orders"],
    ["origin", "https://evil.example"],
    ["accept-language", "<script>"],
    ["range", "bytes=0-0"],
    ["authorization", "Bearer nonsense"],
    ["cookie", "a=b"],
  ])("store no response changed by %s", async (name, value) => {
    const product = sampleProductId(2);
    const poisoned = await system.call(`/v1/products/${product}`, { headers: { [name]: value } });
    expect(poisoned.status).toBe(200);
    await poisoned.text();
    const clean = await system.call(`/v1/products/${product}`);
    expect(clean.status).toBe(200);
    const all = `${await clean.text()}${JSON.stringify([...clean.headers])}`;
    expect(all).not.toMatch(/evil|<script>|access-control-allow-origin/);
    expect(all).toContain(product);
  });

  test.each([
    "?utm_source=x",
    "?limit=1&limit=2",
    "?cb=<script>",
  ])("store no response for the query %s: 400", async (query) => {
    expect((await system.call(`/v1/products${query}`)).status).toBe(400);
    expect((await system.call("/v1/products")).status).toBe(200);
  });
});
