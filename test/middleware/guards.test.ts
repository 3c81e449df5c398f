/** The order of the guards: what a request costs before it is refused, and who hears of it. */
import { describe, expect, test } from "vitest";
import * as z from "zod/mini";
import { edgeRoutes } from "../../src/contract/edge-manifest.ts";
import { problem } from "../../src/contract/problem.ts";
import { defineRoute } from "../../src/contract/route.ts";
import { type AuthResult, MALFORMED } from "../../src/middleware/auth/result.ts";
import type { Guard, GuardName, NamedGuard } from "../../src/middleware/exchange.ts";
import { type ChainDependencies, guardChain, passGuards } from "../../src/middleware/guards.ts";
import { limitsAs } from "../../src/middleware/rate-limit/index.ts";
import { compileRoutes } from "../../src/middleware/route-policy/route-table.ts";
import { blocklist, entry } from "./blocklist/support.ts";
import { type OpenOptions, openExchange } from "./open-exchange.ts";
import { limitOf } from "./rate-limit/support/scene.ts";

const limit = limitOf();
const order = defineRoute({
  method: "POST",
  path: "/orders",
  summary: "Takes an order",
  tag: "Test",
  request: { body: z.string() },
  responses: { 204: { description: "Done" } },
  policy: { auth: { scopes: ["write"] }, limit: [limit] },
});

const BLOCKED = "198.51.100.7";
const list = blocklist([entry(BLOCKED)]);
const bob: AuthResult = {
  kind: "proven",
  identity: { auth: "api-key", principal: { id: "bob", scopes: ["write"] } },
};

/** Notes who is asked, and what is reported. */
const chain = (dependencies: Partial<ChainDependencies> = {}, isAdmitted = true) => {
  const steps: string[] = [];
  const result = { limit, mode: "lease", rule: limit, remaining: 0, waitMs: 1_000 } as const;
  const guards = guardChain({
    table: compileRoutes(edgeRoutes({ order })),
    blocklist: () => {
      steps.push("blocklist");
      return list;
    },
    keys: async (text) => {
      steps.push("key");
      return text === "good" ? bob : MALFORMED;
    },
    tokens: async () => {
      steps.push("token");
      return MALFORMED;
    },
    limits: {
      admit: () => {
        steps.push("limits");
        return { isAdmitted, results: [{ ...result, outcome: isAdmitted ? "passed" : "limited" }] };
      },
      limitsFor: limitsAs("enforce"),
      report: () => undefined,
    },
    body: {
      now: () => 0,
      endingIn: () => {
        steps.push("body");
        return { signal: new AbortController().signal, clear: () => undefined };
      },
    },
    now: () => 0,
    reportSecurity: (_, finding) => void steps.push(`report ${finding.type}`),
    ...dependencies,
  });
  return { steps, pass: (options: OpenOptions) => passGuards(guards, openExchange(options)) };
};

const bodyOf = (text: string) => new Blob([text]).stream();

/** Nothing is wrong with it; each case below spoils all that stands behind its guard too. */
const sound: OpenOptions = {
  method: "POST",
  target: "/orders",
  headers: { authorization: "Bearer good", "content-type": "application/json" },
};
const spoilt = { authorization: "Bearer bad", "content-type": "text/plain" };

describe("a request", () => {
  test("meets every guard, in this order", async () => {
    const { pass, steps } = chain();
    expect(await pass({ ...sound, body: bodyOf('"a"') })).toBeUndefined();
    expect(steps).toEqual(["blocklist", "key", "limits", "body"]);
  });

  test.each<[string, OpenOptions, string, string[]]>([
    [
      "of a blocked client costs nothing else",
      { method: "TRACE", target: "/.env", headers: spoilt, client: BLOCKED },
      "blocked",
      ["blocklist", "report suspicious_activity"],
    ],
    [
      "that no client sends costs no look-up",
      { method: "POST", target: "/.env", headers: spoilt },
      "not_found",
      ["blocklist", "report suspicious_activity"],
    ],
    ["for what does not exist costs none", { target: "/order", headers: spoilt }, "not_found", ["blocklist"]],
    [
      "by a wrong method costs none",
      { method: "PUT", target: "/orders", headers: spoilt },
      "method_not_allowed",
      ["blocklist"],
    ],
    [
      "with a bad key costs no limit",
      { ...sound, headers: spoilt },
      "unauthenticated",
      ["blocklist", "key", "report auth_failure"],
    ],
    [
      "with a bad token costs neither limit nor key",
      { ...sound, headers: { ...spoilt, authorization: "Bearer a.b.c" } },
      "unauthenticated",
      ["blocklist", "token", "report auth_failure"],
    ],
  ])("%s", async (_, options, code, taken) => {
    const { pass, steps } = chain({}, false);
    expect(await pass({ ...options, body: bodyOf("not JSON") })).toMatchObject({ code });
    expect(steps).toEqual(taken);
  });

  test("over its limit is not read", async () => {
    const { pass, steps } = chain({}, false);
    expect(await pass({ ...sound, body: bodyOf('"a"') })).toMatchObject({ code: "rate_limited" });
    expect(steps).toEqual(["blocklist", "key", "limits", "report rate_limit_exceeded"]);
  });

  test("OPTIONS is answered without a look-up", async () => {
    const { pass, steps } = chain();
    expect(await pass({ method: "OPTIONS", target: "/orders" })).toBeInstanceOf(Response);
    expect(steps).toEqual(["blocklist"]);
  });

  test("is of no blocked client where there is no blocklist", async () => {
    const { pass, steps } = chain({ blocklist: undefined });
    expect(await pass({ ...sound, client: BLOCKED })).toBeUndefined();
    expect(steps).toEqual(["key", "limits"]);
  });

  test("shows what looks like a token as a key where none is taken", async () => {
    const { pass, steps } = chain({ tokens: undefined });
    await pass({ ...sound, headers: { authorization: "Bearer a.b.c" } });
    expect(steps).toEqual(["blocklist", "key", "report auth_failure"]);
  });
});

describe("passGuards", () => {
  const forbidden = problem("forbidden");
  const named = (name: GuardName, pass: Guard): NamedGuard => ({ name, pass });
  const passed = named("blocklist", () => undefined);
  const passedLater = named("screening", async () => undefined);

  test.each<[string, Guard]>([
    ["at once", () => forbidden],
    ["later", async () => forbidden],
  ])("ends with the first guard that says something, %s", async (_, first) => {
    let asked = 0;
    const counted = named("limit", () => {
      asked += 1;
      return problem("not_found");
    });
    const exchange = openExchange();
    expect(await passGuards([passed, passedLater, named("route", first), counted], exchange)).toBe(forbidden);
    expect(asked).toBe(0);
    expect(exchange.stoppedBy).toBe("route");
  });

  test("asks no guard before the one in front of it has let the request go on", async () => {
    const { promise, resolve } = Promise.withResolvers<undefined>();
    let asked = 0;
    const counted = named("limit", () => {
      asked += 1;
      return undefined;
    });
    const passing = passGuards([named("route", () => promise), counted], openExchange());
    expect(asked).toBe(0);
    resolve(undefined);
    expect(await passing).toBeUndefined();
    expect(asked).toBe(1);
  });

  test("lets a request go on that no guard says anything to", async () => {
    expect(await passGuards([], openExchange())).toBeUndefined();
    const exchange = openExchange();
    expect(await passGuards([passed, passedLater], exchange)).toBeUndefined();
    expect(exchange.stoppedBy).toBeUndefined();
  });
});
