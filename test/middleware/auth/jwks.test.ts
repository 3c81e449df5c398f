import { exportJWK, type JWK } from "jose";
import { beforeAll, describe, expect, test } from "vitest";
import type { AuthResult } from "../../../src/middleware/auth/principal.ts";
import { isWorkerd } from "../../support/runtime.ts";
import {
  type Bench,
  base64Url,
  bench,
  type IssuerKey,
  issuerKey,
  NOW_S,
  refused,
  setOf,
  settle,
  soundClaims,
  token,
} from "./issuer.ts";

let first: IssuerKey;
let second: IssuerKey;
beforeAll(async () => {
  [first, second] = await Promise.all([issuerKey("ES256", "first"), issuerKey("ES256", "second")]);
});

const MINUTE_MS = 60_000;
const UNAVAILABLE = { kind: "unavailable" };
const UNKNOWN_KEY = refused("unknown_key");

let tokens = 0;
/** A token that is in no cache, and outlives every test. */
const fresh = (key: IssuerKey, header: Readonly<Record<string, unknown>> = {}): Promise<string> => {
  tokens += 1;
  return token(key, { exp: NOW_S + 1_000_000, jti: `${tokens}` }, header);
};
const unknown = (kid: string): Promise<string> => fresh(first, { kid });
const verify = async (issuer: Bench, key: IssuerKey): Promise<AuthResult> => issuer.verify(await fresh(key));
const kindOf = async (issuer: Bench, key: IssuerKey): Promise<AuthResult["kind"]> =>
  (await verify(issuer, key)).kind;
const never = (): Promise<never> => new Promise(() => undefined);
const failing = (): Promise<never> => Promise.reject(new Error("unreachable"));

describe("an unknown key", () => {
  test("causes one fetch a minute, whatever the number of requests and keys", async () => {
    const issuer = bench(setOf(first));
    for (let minute = 0; minute < 3; minute += 1) {
      for (let turn = 0; turn < 20; turn += 1)
        expect(await issuer.verify(await unknown(`kid-${minute}-${turn}`))).toEqual(UNKNOWN_KEY);
      expect(issuer.fetches()).toBe(minute + 1);
      issuer.advance(MINUTE_MS - 1);
      expect(await issuer.verify(await unknown("x"))).toEqual(UNKNOWN_KEY);
      expect(issuer.fetches()).toBe(minute + 1);
      issuer.advance(1);
    }
  });

  test("of concurrent requests causes one fetch for all of them", async () => {
    const issuer = bench(setOf(first));
    await verify(issuer, first);
    issuer.advance(MINUTE_MS);
    const response = Promise.withResolvers<Response>();
    issuer.respond(() => response.promise);
    const requests = Array.from({ length: 50 }, () => kindOf(issuer, second));
    await settle();
    expect(issuer.fetches()).toBe(2);
    response.resolve(Response.json(setOf(first, second)));
    expect(await Promise.all(requests)).toEqual(Array.from({ length: 50 }, () => "proven"));
    expect(issuer.fetches()).toBe(2);
  });

  test("does not delay tokens of known keys", async () => {
    const issuer = bench(setOf(first));
    await verify(issuer, first);
    issuer.advance(MINUTE_MS);
    issuer.respond(never);
    const waiting = verify(issuer, second);
    expect(await kindOf(issuer, first)).toBe("proven");
    expect(await waiting).toEqual(UNKNOWN_KEY);
  });

  test("is accepted once it is published", async () => {
    const issuer = bench(setOf(first));
    expect(await kindOf(issuer, second)).toBe("refused");
    issuer.publish(setOf(first, second));
    issuer.advance(MINUTE_MS);
    expect(await kindOf(issuer, second)).toBe("proven");
    expect(issuer.fetches()).toBe(2);
  });
});

test("a token that names no key causes no fetch if several keys fit", async () => {
  const issuer = bench(setOf(first, second));
  await verify(issuer, first);
  issuer.advance(MINUTE_MS);
  await issuer.verify(await fresh(first, { kid: undefined }));
  expect(issuer.fetches()).toBe(1);
});

test("a withdrawn key proves nothing, even if the set is empty", async () => {
  const issuer = bench(setOf(first));
  expect(await kindOf(issuer, first)).toBe("proven");
  issuer.publish({ keys: [] });
  issuer.advance(10 * MINUTE_MS);
  await verify(issuer, first);
  await Promise.all(issuer.background);
  expect(await verify(issuer, first)).toEqual(UNKNOWN_KEY);
});

describe("a failed fetch", () => {
  test.each<[string, () => Promise<Response>]>([
    ["an error", failing],
    ["a server error", async () => new Response("busy", { status: 503 })],
    ["a redirect", async () => Response.redirect("https://evil.example")],
    ["an empty body", async () => new Response(null)],
    ["an error document", async () => Response.json({ error: "try later" })],
    ["an array", async () => Response.json([])],
    ["a set without a list", async () => Response.json({ keys: {} })],
    ["a list of strings", async () => Response.json({ keys: ["key"] })],
    ["a page", async () => new Response("<html>")],
  ])("by %s keeps the last set, and counts as the fetch of that minute", async (_, response) => {
    const issuer = bench(setOf(first));
    await verify(issuer, first);
    issuer.advance(MINUTE_MS);
    issuer.respond(response);
    expect(await verify(issuer, second)).toEqual(UNKNOWN_KEY);
    expect(await kindOf(issuer, first)).toBe("proven");
    issuer.publish(setOf(first, second));
    issuer.advance(MINUTE_MS - 1);
    expect(await kindOf(issuer, second)).toBe("refused");
    expect(issuer.fetches()).toBe(2);
    issuer.advance(1);
    expect(await kindOf(issuer, second)).toBe("proven");
  });

  test("is logged", async () => {
    const issuer = bench(undefined);
    issuer.respond(async () => new Response("busy", { status: 503 }));
    expect(await verify(issuer, first)).toEqual(UNAVAILABLE);
    expect(issuer.log).toMatchObject([{ level: "warn", error: "Error: the issuer responded 503" }]);
  });

  test("without a set is unavailable, and repeated once a second", async () => {
    const issuer = bench(undefined);
    issuer.respond(failing);
    for (let second = 1; second < 5; second += 1) {
      for (let turn = 0; turn < 3; turn += 1) expect(await verify(issuer, first)).toEqual(UNAVAILABLE);
      expect(issuer.fetches()).toBe(second);
      issuer.advance(1_000);
    }
    issuer.publish(setOf(first));
    expect(await kindOf(issuer, first)).toBe("proven");
  });

  test("ends after 3 s for every request that waits, and nothing else is fetched meanwhile", async () => {
    const issuer = bench(undefined);
    issuer.respond(never);
    const startedAtMs = performance.now();
    const requests = [verify(issuer, first), verify(issuer, first), verify(issuer, second)];
    expect(await Promise.all(requests)).toEqual([UNAVAILABLE, UNAVAILABLE, UNAVAILABLE]);
    expect(performance.now() - startedAtMs).toBeLessThan(4_500);
    expect(issuer.fetches()).toBe(1);
  });
});

test.runIf(isWorkerd)("a request that dies while it fetches blocks the others for 3 s only", async () => {
  const stuck = { isStuck: true };
  const issuer = bench(undefined, {
    fetch: () => (stuck.isStuck ? never() : Promise.resolve(Response.json(setOf(first)))),
  });
  void verify(issuer, first);
  await settle();
  stuck.isStuck = false;
  const other = verify(issuer, first);
  await settle();
  issuer.advance(3_000);
  expect(await other).toEqual(UNAVAILABLE);
  expect(await kindOf(issuer, first)).toBe("proven");
});

describe("an old set", () => {
  test("is refreshed in the background, and used meanwhile", async () => {
    const issuer = bench(setOf(first));
    await verify(issuer, first);
    issuer.advance(10 * MINUTE_MS - 1);
    await verify(issuer, first);
    expect(issuer.fetches()).toBe(1);
    issuer.advance(1);
    const response = Promise.withResolvers<Response>();
    issuer.respond(() => response.promise);
    for (let turn = 0; turn < 10; turn += 1) expect(await kindOf(issuer, first)).toBe("proven");
    expect(issuer.fetches()).toBe(2);
    expect(issuer.background).toHaveLength(1);
    response.resolve(Response.json(setOf(second)));
    await Promise.all(issuer.background);
    expect(await kindOf(issuer, first)).toBe("refused");
    expect(await kindOf(issuer, second)).toBe("proven");
    expect(issuer.fetches()).toBe(2);
  });

  test("stays in use while the issuer is down, and is fetched once a minute", async () => {
    const issuer = bench(setOf(first));
    await verify(issuer, first);
    issuer.respond(failing);
    issuer.advance(10 * MINUTE_MS);
    for (let tenth = 0; tenth < 30; tenth += 1) {
      expect(await kindOf(issuer, first)).toBe("proven");
      issuer.advance(MINUTE_MS / 10);
    }
    expect(issuer.fetches()).toBe(1 + 3);
  });

  test("is also a set of unknown age, after the clock was set back", async () => {
    const issuer = bench(setOf(first));
    await verify(issuer, first);
    issuer.publish(setOf(first, second));
    issuer.advance(-86_400_000);
    expect(await kindOf(issuer, first)).toBe("proven");
    await Promise.all(issuer.background);
    expect(await kindOf(issuer, second)).toBe("proven");
    expect(issuer.fetches()).toBe(2);
  });
});

describe("a published key is unusable if it is", () => {
  test.each<[string, (jwk: JWK) => Promise<object> | object]>([
    ["for encryption", (jwk) => ({ ...jwk, use: "enc" })],
    ["not for verification", (jwk) => ({ ...jwk, key_ops: ["encrypt"] })],
    ["for operations that are not a list", (jwk) => ({ ...jwk, key_ops: "verify" })],
    ["for another algorithm", (jwk) => ({ ...jwk, alg: "RS256" })],
    ["private", async ({ kid }) => ({ ...(await exportJWK(first.privateKey)), kid })],
    ["symmetric", ({ kid }) => ({ kty: "oct", k: base64Url("secret"), kid })],
    ["of another curve", (jwk) => ({ ...jwk, crv: "P-384" })],
    ["not on the curve", (jwk) => ({ ...jwk, x: jwk.y, y: jwk.x })],
    ["incomplete", ({ kid, x }) => ({ kty: "EC", crv: "P-256", x, kid })],
    ["not base64", (jwk) => ({ ...jwk, x: "***" })],
    ["of an unknown type", (jwk) => ({ ...jwk, kty: "XYZ" })],
    ["of a prototype's type", (jwk) => ({ ...jwk, kty: "__proto__" })],
    ["named by a number", (jwk) => ({ ...jwk, kid: 7 })],
  ])("%s, and does not affect the others", async (_, change) => {
    const issuer = bench({ keys: [await change(first.jwk), second.jwk] });
    expect(await verify(issuer, second)).toMatchObject({ kind: "proven" });
    expect(await verify(issuer, first)).toEqual(UNKNOWN_KEY);
  });

  test("RSA of 1,024 bits", async () => {
    const by = { name: "RSASSA-PKCS1-v1_5", hash: "SHA-256" };
    const pair = await crypto.subtle.generateKey(
      { ...by, modulusLength: 1_024, publicExponent: Uint8Array.of(1, 0, 1) },
      true,
      ["sign", "verify"],
    );
    if (!("publicKey" in pair)) throw new Error("not a key pair");
    const { verify: check } = bench({ keys: [{ ...(await exportJWK(pair.publicKey)), kid: "short" }] });
    const header = base64Url(JSON.stringify({ alg: "RS256", kid: "short" }));
    const input = `${header}.${base64Url(JSON.stringify(soundClaims))}`;
    const signature = await crypto.subtle.sign(by, pair.privateKey, new TextEncoder().encode(input));
    expect(await check(`${input}.${base64Url(new Uint8Array(signature))}`)).toEqual(UNKNOWN_KEY);
  });
});
