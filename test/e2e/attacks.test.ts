/**
 * What attackers try, each with its answer: refused, with which problem; made harmless; or stopped by the runtime before
 * any code of ours sees it.
 */
import { connect } from "node:net";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { perClient } from "../../src/contract/api/limits.ts";
import { type Network, parseNetwork } from "../../src/middleware/blocklist/network.ts";
import { setBlock } from "../../src/origin/admin/blocklist/store.ts";
import { sampleProductId } from "../../src/origin/api/sample-data.ts";
import { type Reply, send } from "../support/backing.ts";
import { fetchRead } from "../support/fetch.ts";
import { problemOf } from "../support/problem-of.ts";
import { eventsOf } from "../support/security-events.ts";
import { type CallInit, type System, startSystem } from "../support/system.ts";

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

/** A request whose target goes out exactly as it is written. */
const raw = (path: string, init: Omit<Parameters<typeof send>[1], "path"> = {}): Promise<Reply> =>
  send(system.edgeUrl, { path, ...init });

/** Everything that comes back for these bytes until the other end has said all. */
const wire = async (bytes: string): Promise<string> => {
  const { hostname, port } = new URL(system.edgeUrl);
  const socket = connect({ host: hostname, port: Number(port) });
  let heard = "";
  socket.setEncoding("latin1").on("data", (chunk: string) => {
    heard += chunk;
  });
  const closed = Promise.withResolvers<void>();
  socket.once("close", () => closed.resolve());
  // The other end may close before it has read all.
  socket.on("error", () => undefined);
  socket.setTimeout(1_000, () => socket.destroy());
  socket.write(bytes, "latin1");
  await closed.promise;
  return heard;
};

let nextClient = 0;

const networkOf = (address: string): Network => {
  const network = parseNetwork(address);
  if (network === undefined) throw new Error(`${address} is no address`);
  return network;
};

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
  ])("%s is refused with %i, and reported as %s", async ([path, status, rule], { expect }) => {
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
  ])("%s is made harmless: the runtime resolves it to what it means", async (path) => {
    expect((await raw(path)).status).toBe(200);
  });

  test("dots that lead out of the API end at its root, where there is nothing", async () => {
    expect((await raw("/../../etc/passwd")).status).toBe(404);
  });

  test("an absolute target of another host is no way to there", async () => {
    const heard = await wire(
      "GET http://evil.example/.env HTTP/1.1\r\nHost: evil.example\r\nConnection: close\r\n\r\n",
    );
    // The local runtime takes none at all; the platform has an answer of its own for a host that is not its.
    expect(statusesIn(heard).every((status) => status >= 400)).toBe(true);
  });

  test("a host that is somebody else's changes no answer", async () => {
    const answer = await raw("/v1/products?limit=1", { headers: { host: "evil.example" } });
    expect(answer.status).toBe(200);
    expect(answer.body + JSON.stringify(answer.headers)).not.toContain("evil.example");
  });
});

describe("header fields", () => {
  test("two Authorization fields are no credentials", async () => {
    const authorization = [`Bearer ${eve}`, `Bearer ${alice}`];
    const heard = await wire(
      `GET /v1/orders HTTP/1.1\r\nHost: a\r\nConnection: close\r\n${authorization
        .map((value) => `Authorization: ${value}\r\n`)
        .join("")}\r\n`,
    );
    expect(statusesIn(heard)).toEqual([401]);
  });

  test("two values of Content-Type are none that is taken", async () => {
    const heard = await wire(
      `POST /v1/orders HTTP/1.1\r\nHost: a\r\nConnection: close\r\nAuthorization: Bearer ${alice}\r\n` +
        "Content-Type: application/json\r\nContent-Type: text/plain\r\nContent-Length: 2\r\n\r\n{}",
    );
    expect(statusesIn(heard)).toEqual([415]);
  });

  test("more than the runtime takes is stopped by it", async () => {
    const heard = await wire(
      `GET /v1/products HTTP/1.1\r\nHost: a\r\nConnection: close\r\nX-Large: ${"x".repeat(1_000_000)}\r\n\r\n`,
    );
    expect(statusesIn(heard).every((status) => status >= 400 && status < 500)).toBe(true);
  });

  test.each([
    "x-http-method-override",
    "x-http-method",
    "x-method-override",
  ])("%s overrides nothing", async (name) => {
    const { status } = await raw("/v1/products?limit=1", { headers: { [name]: "DELETE" } });
    expect(status).toBe(200);
  });

  test.each(["TRACE", "PROPFIND", "PURGE"])("%s is no method of the API", async (method) => {
    const heard = await wire(`${method} /v1/products HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n`);
    expect(statusesIn(heard).every((status) => [400, 405, 501].includes(status))).toBe(true);
  });

  test.each(["x-original-url", "x-rewrite-url"])("%s names no other path", async (name) => {
    expect((await raw("/nowhere", { headers: { [name]: "/v1/products" } })).status).toBe(404);
  });
});

describe("addresses", () => {
  /** Tokens left in the limit's bucket, by the response to one request from each. */
  const remainingOf = async (edgeUrl: string, clients: readonly string[]): Promise<number[]> => {
    const asked = clients.map(async (client) => {
      const response = await fetchRead(`${edgeUrl}/v1/products/${PRODUCT}`, {
        headers: { "x-local-client": client },
      });
      await response.arrayBuffer();
      return Number(/r=(\d+)/.exec(response.headers.get("ratelimit") ?? "")?.[1]);
    });
    return await Promise.all(asked);
  };

  test("of one /64 share a bucket, those of others do not", async () => {
    const edgeUrl = await system.startEdge({ RATE_LIMITS: "enforce" });
    const within = Array.from({ length: 100 }, (_, n) => `2001:db8:1:2::${(n + 1).toString(16)}`);
    const others = Array.from({ length: 100 }, (_, n) => `2001:db8:2:${(n + 1).toString(16)}::1`);
    const untouched = perClient.capacity - 1;
    expect(Math.min(...(await remainingOf(edgeUrl, within)))).toBeLessThan(untouched);
    expect(new Set(await remainingOf(edgeUrl, others))).toEqual(new Set([untouched]));
  });

  test("of who is blocked are not got rid of by what it says of itself", async () => {
    const client = "198.51.100.66";
    await setBlock(system.pool, { network: networkOf(client), reason: "a test", forS: null });
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
    ["a length that is none", "Content-Length: +5"],
  ])("%s lets nothing through behind it", async (_, fields) => {
    const heard = await wire(
      `POST /v1/orders HTTP/1.1\r\nHost: a\r\nAuthorization: Bearer ${alice}\r\n${fields}\r\n\r\n0\r\n\r\n${smuggled}`,
    );
    expect(heard).not.toContain('"items"');
    expect(statusesIn(heard).filter((status) => status < 400)).toEqual([]);
  });

  test("a chunked body above the route's size is 413, however slowly its size shows", async () => {
    const chunk = `1000\r\n${"x".repeat(4096)}\r\n`;
    const heard = await wire(
      `POST /v1/orders HTTP/1.1\r\nHost: a\r\nConnection: close\r\nAuthorization: Bearer ${alice}\r\n` +
        `Content-Type: application/json\r\nTransfer-Encoding: chunked\r\n\r\n${chunk.repeat(4)}0\r\n\r\n`,
    );
    // The connection may be cut before the answer has been read; that is no answer either.
    expect(statusesIn(heard).filter((status) => status !== 413)).toEqual([]);
  });
});

describe("credentials", () => {
  const encode = (value: unknown): string => Buffer.from(JSON.stringify(value)).toString("base64url");
  const claims = { sub: "alice", scope: "orders:read", exp: 4_000_000_000 };

  test.each([
    ["a truncated key", () => alice.slice(0, -1)],
    ["a key with more behind it", () => `${alice}A`],
    ["one's own id with another's secret", () => `${alice.slice(0, -43)}${eve.slice(-43)}`],
    ["another's id with one's own secret", () => `${eve.slice(0, -43)}${alice.slice(-43)}`],
    ["a key in capitals", () => alice.toUpperCase()],
    ["a token that says that it is not signed", () => `${encode({ alg: "none" })}.${encode(claims)}.`],
    [
      "a token that nobody has signed",
      () => `${encode({ alg: "HS256" })}.${encode(claims)}.${"A".repeat(43)}`,
    ],
    ["a very long one", () => `bwk_${"A".repeat(6_000)}`],
  ])("%s are none: 401", async (_, token) => {
    const response = await system.call("/v1/orders", { key: token() });
    expect((await problemOf(response)).code).toBe("unauthenticated");
    expect(response.status).toBe(401);
  });

  test.each([
    "?key=",
    "?access_token=",
    "?authorization=Bearer%20",
  ])("a key in the query (%s) is not looked at", async (query) => {
    expect((await system.call(`/v1/orders${query}${alice}`)).status).toBe(401);
  });
});

test("somebody else's order is as absent as one that does not exist, to be read or cancelled", async () => {
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
    ["a quantity beyond all numbers", json(`{"lines":[{"productId":"${PRODUCT}","quantity":1e999}]}`)],
    ["the prototype by its name", json(`{"lines":[],"__proto__":{"scopes":["products:write"]}}`)],
    ["the prototype by its constructor", json(`{"lines":[],"constructor":{"prototype":{"a":1}}}`)],
    ["deep nesting", json("[".repeat(4_000))],
    ["deep nesting that is closed", json(`${"[".repeat(4_000)}${"]".repeat(4_000)}`)],
    ["the same field twice", json(`{"lines":[],"lines":[]}`)],
    ["bytes that are no UTF-8", json("\ud800")],
    ["two documents", json("{}{}")],
    ["an operator of a query language", json(`{"lines":{"$gt":""}}`)],
  ])("%s are refused, and nothing is done: 400", async (_, init) => {
    const response = await post(init);
    expect(response.status).toBe(400);
    expect((await problemOf(response)).code).toBe("invalid_request");
    expect(Object.hasOwn(Object.prototype, "a")).toBe(false);
  });

  test("a very large body is 413 before it is read", async () => {
    expect((await post(json(`{"lines":"${"x".repeat(1_000_000)}"}`))).status).toBe(413);
  });

  test("a GET with a body is 413: nothing reads it", async () => {
    const { status } = await raw("/v1/products?limit=1", { headers: { "content-length": "2" }, body: "{}" });
    expect(status).toBe(413);
  });
});

describe("input that is made for slow patterns", () => {
  const long = "a".repeat(4_000);
  test.each([
    ["a search", `/v1/products?q=${encodeURIComponent(`${"a ".repeat(49)}!`)}`, {}],
    ["a condition", `/v1/products/${PRODUCT}`, { "if-none-match": `${'"a",'.repeat(240)}"` }],
    ["an Origin", "/v1/products?limit=1", { origin: `https://${long}` }],
    ["a media type", "/v1/products?limit=1", { accept: `${"a/b;".repeat(900)}` }],
    ["credentials", "/v1/orders", { authorization: `Bearer ${" ".repeat(4_000)}x y` }],
    ["a cursor", `/v1/products?cursor=${"A".repeat(301)}`, {}],
  ])("%s is answered as soon as any other", async (_, path, headers) => {
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
  ])("keep nothing that %s could change", async (name, value) => {
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
  ])("keep nothing under the query %s, which is refused", async (query) => {
    expect((await system.call(`/v1/products${query}`)).status).toBe(400);
    expect((await system.call("/v1/products")).status).toBe(200);
  });
});

describe("other sites' pages", () => {
  test("may not call what the contract does not let them", async () => {
    const response = await system.call("/v1/orders", {
      method: "OPTIONS",
      headers: { origin: "https://evil.example", "access-control-request-method": "POST" },
    });
    expect(response.status).toBe(403);
  });

  test("can send a form, which is no order", async () => {
    const response = await system.call("/v1/orders", {
      method: "POST",
      key: alice,
      body: "lines=1",
      headers: { "content-type": "application/x-www-form-urlencoded", origin: "https://evil.example" },
    });
    expect(response.status).toBe(415);
  });
});
