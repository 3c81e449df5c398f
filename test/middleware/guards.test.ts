/** The order of the guards: which lookups and security events a request causes before it is rejected. */
import { describe, expect, test } from "vitest";
import * as z from "zod/mini";
import { edgeRoutes } from "../../src/contract/edge-manifest.ts";
import type { Limit } from "../../src/contract/policy.ts";
import { defineRoute } from "../../src/contract/route.ts";
import { readConfiguration } from "../../src/lib/variables.ts";
import { createKey } from "../../src/middleware/auth/api-keys.ts";
import { GUARD_VARIABLES } from "../../src/middleware/config.ts";
import { GUARD_NAMES, type GuardDeps, guards } from "../../src/middleware/guards.ts";
import { base64Url } from "./auth/issuer.ts";
import { blocklist, entry } from "./blocklist/support.ts";
import { appOf, type RequestOptions } from "./support/app.ts";

const limit: Limit = {
  name: "orders",
  capacity: 10,
  refillPerSecond: 1,
  per: "client",
  onStoreFailure: "closed",
};
const order = defineRoute({
  method: "POST",
  path: "/orders",
  summary: "Places an order",
  tag: "Test",
  request: { body: z.string() },
  responses: { 204: { description: "Done" } },
  policy: { auth: { scopes: ["write"] }, limit: [limit] },
});

const NOW_MS = 1_800_000_000_000;
const BLOCKED = "198.51.100.7";
const list = blocklist([entry(BLOCKED)]);
const random = (bytes: Uint8Array<ArrayBuffer>) => crypto.getRandomValues(bytes);
const bob = createKey(random);
const stranger = createKey(random);

/** Signed with a key that the issuer does not publish. */
const token = `${base64Url('{"alg":"ES256","kid":"unknown"}')}.${base64Url("{}")}.${base64Url("signature")}`;

const configOf = (environment: Readonly<Record<string, string>>) => {
  const reading = readConfiguration(GUARD_VARIABLES, environment);
  if (!reading.ok) throw new Error(reading.message);
  return reading.value;
};
const withIssuer = configOf({
  JWT_ISSUER: "https://issuer.example/",
  JWT_AUDIENCE: "https://api.example.com",
  JWT_JWKS_URL: "https://issuer.example/keys",
});

/** Guards that record which ports they call, in order. */
const startApp = (changes: Partial<GuardDeps> = {}, isAdmitted = true) => {
  const steps: string[] = [];
  const result = { limit, mode: "lease", rule: limit, remaining: 0, waitMs: 1_000 } as const;
  const background: Promise<unknown>[] = [];
  const send = appOf(
    guards({
      routes: edgeRoutes({ order }),
      config: withIssuer,
      loadBlocklist: async () => {
        steps.push("blocklist");
        return { version: "1", list };
      },
      lookUpKey: async (id) => {
        steps.push("key");
        const { hash } = bob;
        if (id !== bob.id) return { kind: "unknown" };
        return {
          kind: "found",
          record: { id, hash, principal: "bob", scopes: ["write"], expiresAtMs: null },
        };
      },
      fetch: async () => {
        steps.push("issuer's keys");
        return Response.json({ keys: [] });
      },
      limiter: {
        check: ([first], { principal }) => {
          expect([first, principal]).toEqual([limit, "bob"]);
          steps.push("limits");
          return { isAdmitted, results: [{ ...result, outcome: isAdmitted ? "passed" : "limited" }] };
        },
      },
      recordEvent: ({ type }) => void steps.push(`report ${type}`),
      observe: () => undefined,
      log: () => undefined,
      now: () => NOW_MS,
      ...changes,
    }),
    background,
  );
  /** A body that records when it is read. */
  const bodyOf = (text: string) =>
    new ReadableStream<Uint8Array>(
      {
        pull: (controller) => {
          steps.push("body");
          controller.enqueue(new TextEncoder().encode(text));
          controller.close();
        },
      },
      { highWaterMark: 0 },
    );
  return {
    steps,
    send: ({ text, ...options }: RequestOptions & { readonly text?: string }) =>
      send({ ...options, body: text === undefined ? undefined : bodyOf(text) }),
  };
};

/** A valid request. Each rejected one below also violates all later guards. */
const valid = {
  method: "POST",
  target: "/orders",
  headers: { authorization: `Bearer ${bob.key}`, "content-type": "application/json" },
} as const;
const wrong = { authorization: `Bearer ${stranger.key}`, "content-type": "text/plain" };

describe("a request", () => {
  test("passes every guard in order", async () => {
    const { send, steps } = startApp();
    const { passed, response, variables } = await send({ ...valid, text: '"a"' });
    expect(passed).toBe(true);
    expect(steps).toEqual(["blocklist", "key", "limits", "body"]);
    expect(variables).not.toHaveProperty("rejectedBy");
    expect(variables.identity).toMatchObject({ auth: "api-key", principal: { id: "bob" } });
    expect(variables.body).toEqual(new TextEncoder().encode('"a"'));
    expect(response.headers.has("ratelimit")).toBe(true);
  });

  test.each<[string, RequestOptions, string, (typeof GUARD_NAMES)[number], string[]]>([
    [
      "of a blocked client costs nothing else",
      { method: "TRACE", target: "/.env", headers: wrong, client: BLOCKED },
      "blocked",
      "blocklist",
      ["blocklist", "report suspicious_activity"],
    ],
    [
      "for a scanner path costs no lookup",
      { method: "POST", target: "/.env", headers: wrong },
      "not_found",
      "screening",
      ["blocklist", "report suspicious_activity"],
    ],
    [
      "for an unknown path costs no lookup",
      { method: "POST", target: "/order", headers: wrong },
      "not_found",
      "route",
      ["blocklist"],
    ],
    [
      "with a method that the path does not have costs no lookup",
      { method: "PUT", target: "/orders", headers: wrong },
      "method_not_allowed",
      "route",
      ["blocklist"],
    ],
    [
      "with an invalid key is not checked against limits",
      { ...valid, headers: wrong },
      "unauthenticated",
      "authentication",
      ["blocklist", "key", "report auth_failure"],
    ],
    [
      "with an invalid token costs neither a limit check nor a key lookup",
      { ...valid, headers: { ...wrong, authorization: `Bearer ${token}` } },
      "unauthenticated",
      "authentication",
      ["blocklist", "issuer's keys", "report auth_failure"],
    ],
    [
      "over its limit is not read",
      { ...valid, headers: { ...valid.headers, "content-type": "text/plain" } },
      "rate_limited",
      "limit",
      ["blocklist", "key", "limits", "report rate_limit_exceeded"],
    ],
  ])("%s", async (_, options, code, guard, expected) => {
    const { send, steps } = startApp({}, false);
    const { passed, problem, variables } = await send({ ...options, text: "not JSON" });
    expect(passed).toBe(false);
    expect(problem).toMatchObject({ code });
    expect(variables.rejectedBy).toBe(guard);
    expect(GUARD_NAMES).toContain(guard);
    expect(steps).toEqual(expected);
  });

  test("with a body of another type is rejected last, without reading it", async () => {
    const { send, steps } = startApp();
    const headers = { ...valid.headers, "content-type": "text/plain" };
    const { problem, variables } = await send({ ...valid, headers, text: '"a"' });
    expect(problem).toMatchObject({ code: "unsupported_media_type" });
    expect(variables.rejectedBy).toBe("body");
    expect(steps).toEqual(["blocklist", "key", "limits"]);
  });

  test("over its limit gets 429 with the RateLimit fields", async () => {
    const { send } = startApp({}, false);
    const { response, problem } = await send({ ...valid, text: '"a"' });
    expect(response.status).toBe(429);
    expect(problem?.detail).toMatch(/^The limit "orders" is exhausted\. Try again in \d+ s\.$/);
    for (const name of ["ratelimit", "ratelimit-policy", "retry-after"])
      expect(response.headers.has(name)).toBe(true);
  });

  test("with the method OPTIONS is answered without a lookup", async () => {
    const { send, steps } = startApp();
    const { response, passed } = await send({ method: "OPTIONS", target: "/orders" });
    expect(response.status).toBe(204);
    expect(passed).toBe(false);
    expect(steps).toEqual(["blocklist"]);
  });

  test("of any client passes without a blocklist", async () => {
    const { send, steps } = startApp({ loadBlocklist: undefined });
    expect((await send({ ...valid, client: BLOCKED })).passed).toBe(true);
    expect(steps).toEqual(["key", "limits"]);
  });

  test("with a token is rejected as an invalid key if no issuer is configured", async () => {
    const { send, steps } = startApp({ config: configOf({}) });
    const { problem } = await send({ ...valid, headers: { authorization: `Bearer ${token}` } });
    expect(problem).toEqual({ code: "unauthenticated", detail: "The API key is not valid." });
    // A malformed key is not looked up.
    expect(steps).toEqual(["blocklist", "report auth_failure"]);
  });

  test("of a known client passes synchronously", async () => {
    const { send } = startApp();
    await send(valid);
    const { passed, isSynchronous } = await send(valid);
    expect(passed).toBe(true);
    expect(isSynchronous).toBe(true);
  });
});

describe("a deprecated route", () => {
  const old = { ...order, deprecated: { since: "2026-05-01", sunset: "2027-05-01" } };
  const startOld = (isAdmitted: boolean) => {
    const calls: unknown[] = [];
    const observe: GuardDeps["observe"] = (event) => {
      if (event.type === "deprecated_call") calls.push(event);
    };
    return { calls, ...startApp({ routes: edgeRoutes({ order: old }), observe }, isAdmitted) };
  };

  test("has the fields in its responses, and reports who calls", async () => {
    const { calls, send } = startOld(true);
    const { response } = await send({ ...valid, text: '"a"' });
    expect(response.headers.get("deprecation")).toBe("@1777593600");
    expect(response.headers.get("sunset")).toBe("Sat, 01 May 2027 00:00:00 GMT");
    expect(calls).toEqual([{ type: "deprecated_call", method: "POST", path: "/orders", principal: "bob" }]);
  });

  test("has the fields in rejections by a limit, too", async () => {
    const { response } = await startOld(false).send({ ...valid, text: '"a"' });
    expect(response.status).toBe(429);
    expect(response.headers.get("deprecation")).toBe("@1777593600");
  });

  test("reports no client with wrong credentials", async () => {
    const { calls, send } = startOld(true);
    const { response } = await send({ ...valid, headers: wrong, text: '"a"' });
    expect(response.status).toBe(401);
    expect(calls).toEqual([]);
  });
});
