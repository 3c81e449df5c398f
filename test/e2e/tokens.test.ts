/** Access tokens of an issuer, valid and forged, through the whole system. */
import { afterAll, beforeAll, expect, onTestFinished, test } from "vitest";
import { sampleProductId } from "#api/origin/sample-data.ts";
import { type Issuer, startIssuer } from "../support/issuer.ts";
import { problemOf } from "../support/problem-of.ts";
import { call, eventsOf, type System, startSystem } from "../support/system.ts";

let issuer: Issuer;
/** Another issuer, with other keys. */
let stranger: Issuer;
let system: System;

beforeAll(async () => {
  [issuer, stranger] = await Promise.all([startIssuer(), startIssuer()]);
  system = await startSystem({ edgeEnvironment: issuer.environment });
});
afterAll(async () => {
  await system?.stop();
  await Promise.all([issuer?.stop(), stranger?.stop()]);
});

const order = { lines: [{ productId: sampleProductId(1), quantity: 1 }] };

const encode = (value: unknown): string => Buffer.from(JSON.stringify(value)).toString("base64url");

test("a token authorizes its subject for its scopes", async () => {
  const key = await issuer.token();
  const placed = await system.call("/v1/orders", { method: "POST", key, json: order });
  expect(placed.status).toBe(201);
  const location = placed.headers.get("location") ?? "";
  expect((await system.call(location, { key: await issuer.token({ jti: "another" }) })).status).toBe(200);
  expect((await system.call(location, { key: await issuer.token({ sub: "eve" }) })).status).toBe(404);
});

test("a subject is a different principal than an API key of the same name", async () => {
  const { key } = await system.createKey("alice");
  const placed = await system.call("/v1/orders", { method: "POST", key: await issuer.token(), json: order });
  expect((await system.call(placed.headers.get("location") ?? "", { key })).status).toBe(404);
});

test("a token without the route's scope is 403, and the response names the scope", async () => {
  const key = await issuer.token({ scope: "orders:read" });
  const response = await system.call("/v1/orders", { method: "POST", key, json: order });
  expect(response.status).toBe(403);
  expect(response.headers.get("www-authenticate")).toContain(
    'error="insufficient_scope", scope="orders:write"',
  );
});

let clients = 0;

// Unit tests cover every kind of forgery.
test.concurrent.for<[what: string, reason: string, token: () => Promise<string>]>([
  [
    "without a signature",
    "unsupported_algorithm",
    async () => `${encode({ alg: "none" })}.${(await issuer.token()).split(".")[1]}.`,
  ],
  ["for another audience", "wrong_audience", () => issuer.token({ aud: "https://other.example" })],
  ["that has expired", "expired", () => issuer.token({ exp: Math.floor(Date.now() / 1_000) - 60 })],
  ["with an unknown key's name", "unknown_key", () => issuer.token({}, { kid: "other" })],
  [
    "of a stranger with an address of its keys",
    "bad_signature",
    () => stranger.token({ iss: issuer.url }, { jku: `${stranger.url}/keys` }),
  ],
  ["of another type", "malformed", () => issuer.token({}, { typ: "logout+jwt" })],
])("a token %s is 401, and reported as %s", async ([, reason, make], { expect }) => {
  clients += 1;
  const client = `2001:db8:${clients}::1`;
  const headers = { "x-local-client": client };
  const response = await system.call("/v1/orders", { key: await make(), headers });
  expect(response.status).toBe(401);
  expect(await problemOf(response)).toMatchObject({ code: "unauthenticated" });
  await expect.poll(() => eventsOf(system, client), { timeout: 20_000 }).toHaveLength(1);
  const event = { type: "auth_failure", reason, user: "anonymous", count: 1 };
  expect(eventsOf(system, client)[0]).toMatchObject(event);
  expect(stranger.fetches).toBe(0);
});

test("tokens with unknown keys cause at most one request to the issuer per minute", async () => {
  const before = issuer.fetches;
  const tokens = await Promise.all(
    Array.from({ length: 50 }, (_, n) => issuer.token({}, { kid: `guess-${n}` })),
  );
  // Each from an address of its own: wrong credentials of one are limited.
  const answers = await Promise.all(
    tokens.map((key, n) =>
      system.call("/v1/orders", { key, headers: { "x-local-client": `198.51.100.${n}` } }),
    ),
  );
  expect(new Set(answers.map(({ status }) => status))).toEqual(new Set([401]));
  expect(issuer.fetches - before).toBeLessThanOrEqual(1);
});

test("no token is logged", () => {
  expect(system.logLines.join("\n")).not.toMatch(/eyJ[\w-]{20,}/);
});

test("without the issuer's keys tokens are 503 until the issuer responds, and API keys still work", async () => {
  const away = await startIssuer();
  onTestFinished(away.stop);
  away.answerWith(500);
  const edgeUrl = await system.startEdge(away.environment);
  const statusOf = async (key: string): Promise<number> =>
    (await call(edgeUrl, "/v1/orders", { key })).status;
  expect(await statusOf(await away.token())).toBe(503);
  expect(await statusOf((await system.createKey("alice")).key)).toBe(200);
  away.answerWith(200);
  const key = await away.token();
  await expect.poll(() => statusOf(key), { timeout: 20_000, interval: 200 }).toBe(200);
});

test("an edge without an issuer accepts no token", async () => {
  const edgeUrl = await system.startEdge({ JWT_ISSUER: "", JWT_AUDIENCE: "", JWT_JWKS_URL: "" });
  expect((await call(edgeUrl, "/v1/orders", { key: await issuer.token() })).status).toBe(401);
});
