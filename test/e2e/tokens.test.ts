/** Access tokens of an issuer, through the whole system; what is forged, and what comes of it. */
import { createHmac } from "node:crypto";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { sampleProductId } from "../../src/origin/api/sample-data.ts";
import { type Issuer, startIssuer } from "../support/issuer.ts";
import { problemOf } from "../support/problem-of.ts";
import { eventsOf } from "../support/security-events.ts";
import { type System, startSystem } from "../support/system.ts";

let issuer: Issuer;
/** Of another company, whose keys nobody here knows. */
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
const part = (token: string, index: number): string => token.split(".")[index] ?? "";
const nowS = (): number => Math.floor(Date.now() / 1_000);

test("a token lets its subject do what its scopes allow", async () => {
  const key = await issuer.token();
  const placed = await system.call("/v1/orders", { method: "POST", key, json: order });
  expect(placed.status).toBe(201);
  const location = placed.headers.get("location") ?? "";
  expect((await system.call(location, { key: await issuer.token({ jti: "another" }) })).status).toBe(200);
  expect((await system.call(location, { key: await issuer.token({ sub: "eve" }) })).status).toBe(404);
});

test("a subject is nobody who has an API key of the same name", async () => {
  const { key } = await system.createKey("alice");
  const placed = await system.call("/v1/orders", { method: "POST", key: await issuer.token(), json: order });
  expect((await system.call(placed.headers.get("location") ?? "", { key })).status).toBe(404);
});

test("a token without the route's scope is 403, and says which is missing", async () => {
  const response = await system.call("/v1/orders", {
    method: "POST",
    key: await issuer.token({ scope: "orders:read" }),
    json: order,
  });
  expect(response.status).toBe(403);
  expect(response.headers.get("www-authenticate")).toContain(
    'error="insufficient_scope", scope="orders:write"',
  );
});

describe("a token", () => {
  let clients = 0;

  /** With the issuer's public key as if it were a secret both sides know. */
  const confused = async (): Promise<string> => {
    const text = `${encode({ alg: "HS256", kid: "first" })}.${part(await issuer.token(), 1)}`;
    const secret = JSON.stringify(issuer.publicJwk);
    return `${text}.${createHmac("sha256", secret).update(text).digest("base64url")}`;
  };

  test.concurrent.for<[what: string, reason: string, token: () => Promise<string>]>([
    [
      "that says that it is not signed",
      "unsupported_algorithm",
      async () => `${encode({ alg: "none" })}.${part(await issuer.token(), 1)}.`,
    ],
    [
      "whose algorithm is written otherwise",
      "unsupported_algorithm",
      async () => `${encode({ alg: "nOnE" })}.${part(await issuer.token(), 1)}.`,
    ],
    ["that is signed by the public key as a secret", "unsupported_algorithm", confused],
    ["for another audience", "wrong_audience", () => issuer.token({ aud: "https://other.example" })],
    ["of another issuer by its name", "wrong_issuer", () => issuer.token({ iss: "https://other.example" })],
    ["that never ends", "no_expiry", () => issuer.token({ exp: undefined })],
    ["that is said to end as text", "no_expiry", () => issuer.token({ exp: String(nowS() + 300) })],
    ["that has ended", "expired", () => issuer.token({ exp: nowS() - 60 })],
    ["that is not valid yet", "not_yet_valid", () => issuer.token({ nbf: nowS() + 3_600 })],
    ["without a subject", "no_subject", () => issuer.token({ sub: undefined })],
    ["with a key's name that nobody knows", "unknown_key", () => issuer.token({}, { kid: "other" })],
    [
      "that a stranger has signed under our key's name",
      "bad_signature",
      () => stranger.token({ iss: issuer.url }),
    ],
    [
      "that brings its own key",
      "bad_signature",
      () => stranger.token({ iss: issuer.url }, { jwk: stranger.publicJwk }),
    ],
    [
      "that says where its keys are",
      "bad_signature",
      () => stranger.token({ iss: issuer.url }, { jku: `${stranger.url}/keys` }),
    ],
    [
      "whose claims were changed",
      "bad_signature",
      async () => {
        const token = await issuer.token();
        return `${part(token, 0)}.${encode({ iss: issuer.url, sub: "root", exp: 4e9 })}.${part(token, 2)}`;
      },
    ],
    ["without its last character", "bad_signature", async () => (await issuer.token()).slice(0, -2)],
    [
      "with an extension that must be understood",
      "malformed",
      async () => {
        const token = await issuer.token();
        const header = encode({ alg: "ES256", kid: "first", crit: ["b64"], b64: false });
        return `${header}.${part(token, 1)}.${part(token, 2)}`;
      },
    ],
    ["of another type", "malformed", () => issuer.token({}, { typ: "logout+jwt" })],
  ])("%s is 401, and reported as %s", async ([, reason, make], { expect }) => {
    clients += 1;
    const client = `2001:db8:${clients}::1`;
    const response = await system.call("/v1/orders", {
      key: await make(),
      headers: { "x-local-client": client },
    });
    expect(response.status).toBe(401);
    expect(await problemOf(response)).toMatchObject({ code: "unauthenticated" });
    await expect.poll(() => eventsOf(system, client), { timeout: 20_000 }).toHaveLength(1);
    expect(eventsOf(system, client)[0]).toMatchObject({
      type: "auth_failure",
      reason,
      user: "anonymous",
      count: 1,
    });
  });

  test("of a stranger never makes the edge ask the stranger for anything", () => {
    expect(stranger.fetches).toBe(0);
  });

  test("of an unknown key has the issuer asked at most once a minute, however many there are", async () => {
    const before = issuer.fetches;
    const tokens = await Promise.all(
      Array.from({ length: 50 }, (_, n) => issuer.token({}, { kid: `guess-${n}` })),
    );
    const headers = { "x-local-client": "127.0.0.1" };
    const answers = await Promise.all(tokens.map((key) => system.call("/v1/orders", { key, headers })));
    expect(new Set(answers.map(({ status }) => status))).toEqual(new Set([401]));
    expect(issuer.fetches - before).toBeLessThanOrEqual(1);
  });

  test("never stands in a log", () => {
    expect(system.logLines.join("\n")).not.toMatch(/eyJ[\w-]{20,}/);
  });
});

describe("while the issuer's keys cannot be had", () => {
  let away: Issuer;
  let edgeUrl: string;
  const statusOf = async (key: string): Promise<number> =>
    (await fetch(`${edgeUrl}/v1/orders`, { headers: { authorization: `Bearer ${key}` } })).status;

  beforeAll(async () => {
    away = await startIssuer();
    away.answerWith(500);
    edgeUrl = await system.startEdge(away.environment);
  });
  afterAll(() => away?.stop());

  test("a token cannot be checked: 503, and API keys go on", async () => {
    expect(await statusOf(await away.token())).toBe(503);
    expect(await statusOf((await system.createKey("alice")).key)).toBe(200);
  });

  test("it is taken as soon as they can", async () => {
    away.answerWith(200);
    const key = await away.token();
    await expect.poll(() => statusOf(key), { timeout: 20_000, interval: 200 }).toBe(200);
  });

  test("those that an isolate has had go on when the issuer is gone", async () => {
    away.answerWith(500);
    expect(await statusOf(await away.token({ jti: "new" }))).toBe(200);
  });
});

test("an edge that names no issuer takes no token", async () => {
  const edgeUrl = await system.startEdge({ JWT_ISSUER: "", JWT_AUDIENCE: "", JWT_JWKS_URL: "" });
  const headers = { authorization: `Bearer ${await issuer.token()}` };
  expect((await fetch(`${edgeUrl}/v1/orders`, { headers })).status).toBe(401);
});
