/** How long an isolate caches a key, and which requests wait for a look-up. */
import { describe, expect, test } from "vitest";
import { edgeRoutes } from "../../../src/contract/edge-manifest.ts";
import { defineRoute } from "../../../src/contract/route.ts";
import {
  apiKeys,
  createKey,
  type KeyLookupResult,
  type KeyRecord,
} from "../../../src/middleware/auth/api-keys.ts";
import { checkCredentials } from "../../../src/middleware/auth/credentials.ts";
import { FAILED_CHECKS, FailedChecks } from "../../../src/middleware/auth/failed-checks.ts";
import { auth } from "../../../src/middleware/auth/index.ts";
import type { SecurityFinding } from "../../../src/middleware/security-report.ts";
import { appOf, routed } from "../support/app.ts";

const closed = defineRoute({
  method: "GET",
  path: "/closed",
  summary: "Needs a key",
  tag: "Test",
  responses: { 200: { description: "Done" } },
  policy: { auth: { scopes: ["read"] } },
});
const open = defineRoute({ ...closed, path: "/open", summary: "Needs no key", policy: { auth: "public" } });
const routes = edgeRoutes({ closed, open });

const { id, key, hash } = createKey((bytes) => crypto.getRandomValues(bytes));
const record: KeyRecord = { id, hash, principal: "alice", scopes: ["read"], expiresAtMs: null };
const recordWith = (changes: Partial<KeyRecord>): KeyLookupResult => ({
  kind: "found",
  record: { ...record, ...changes },
});
const valid = recordWith({});

const explain = { "breakwater-explain": "1" };
const newKey = (): string => createKey((bytes) => crypto.getRandomValues(bytes)).key;

const START_MS = 1_800_000_000_000;

/** An isolate with a clock of its own. */
const isolate = () => {
  let nowMs = START_MS;
  let result: KeyLookupResult = valid;
  let lookups = 0;
  const findings: SecurityFinding[] = [];
  const background: Promise<unknown>[] = [];
  const now = (): number => nowMs;
  const keys = apiKeys({
    lookup: async () => {
      lookups += 1;
      return result;
    },
    now,
  });
  const report = (_: unknown, route: string | null, finding: SecurityFinding): void => {
    expect(route).not.toBeNull();
    findings.push(finding);
  };
  const check = checkCredentials({
    apiKeys: keys,
    tokens: undefined,
    failedChecks: new FailedChecks(now),
    now,
  });
  const middleware = routed(routes, now).use(auth({ check, tokens: undefined, report }));
  const send = appOf(middleware.handlers, background);
  return {
    send: (token = key, target = "/closed", headers = {}, client = "192.0.2.1") =>
      send({ target, client, headers: { authorization: `Bearer ${token}`, ...headers } }),
    sendWithoutKey: (target: string) => send({ target }),
    wait: (ms: number) => {
      nowMs += ms;
    },
    setLookup: (next: KeyLookupResult) => {
      result = next;
    },
    settled: () => Promise.all(background),
    findings,
    get lookups() {
      return lookups;
    },
  };
};

test("a key is looked up once, and then accepted immediately", async () => {
  const edge = isolate();
  expect(await edge.send()).toMatchObject({ passed: true, isSynchronous: false });
  for (let turn = 1; turn < 10; turn += 1)
    expect(await edge.send()).toMatchObject({ passed: true, isSynchronous: true });
  expect(edge.lookups).toBe(1);
});

test("many requests with a key that is new to the isolate look it up once", async () => {
  const edge = isolate();
  const outcomes = await Promise.all(Array.from({ length: 50 }, () => edge.send()));
  expect(outcomes.every(({ passed }) => passed)).toBe(true);
  expect(edge.lookups).toBe(1);
});

test("a frequent client never waits: one of its requests refreshes the key at half of its lifetime", async () => {
  const edge = isolate();
  await edge.send();
  for (let turn = 0; turn < 100; turn += 1) {
    edge.wait(250);
    const [one, other] = await Promise.all([edge.send(), edge.send()]);
    expect([one.isSynchronous, other.isSynchronous]).toEqual([true, true]);
    await edge.settled();
  }
  // 25 s, each 2.5 s.
  expect(edge.lookups).toBe(11);
});

test("a revoked key is rejected after its next look-up, in the background or not", async () => {
  const frequent = isolate();
  await frequent.send();
  frequent.setLookup({ kind: "unknown" });
  frequent.wait(2_500);
  expect((await frequent.send()).passed).toBe(true);
  await frequent.settled();
  expect(await frequent.send()).toMatchObject({ passed: false, problem: { code: "unauthenticated" } });

  const rare = isolate();
  await rare.send();
  rare.setLookup({ kind: "unknown" });
  rare.wait(5_000);
  expect(await rare.send()).toMatchObject({ passed: false, problem: { code: "unauthenticated" } });
});

test("if look-ups fail, a cached key is accepted for 5 s, and no request passes after that", async () => {
  const edge = isolate();
  await edge.send();
  edge.setLookup({ kind: "unavailable" });
  edge.wait(4_999);
  expect((await edge.send()).passed).toBe(true);
  await edge.settled();
  edge.wait(1);
  const { response, problem, passed } = await edge.send();
  expect(passed).toBe(false);
  expect(response.status).toBe(503);
  expect(response.headers.get("retry-after")).toBe("1");
  expect(problem).toEqual({
    code: "unavailable",
    detail: "Credentials cannot be verified at the moment.",
  });
  expect(edge.findings).toEqual([]);
});

test("a key is not accepted after its expiry", async () => {
  const edge = isolate();
  edge.setLookup(recordWith({ expiresAtMs: START_MS + 1_000 }));
  expect((await edge.send()).passed).toBe(true);
  edge.wait(1_000);
  expect(await edge.send()).toMatchObject({ problem: { code: "unauthenticated" } });
  expect(edge.findings).toEqual([{ type: "auth_failure", user: `key:${id}`, reason: "expired" }]);
});

test("a guessed key is not looked up twice, and each attempt is reported", async () => {
  const edge = isolate();
  edge.setLookup({ kind: "unknown" });
  await edge.send();
  await edge.send();
  expect(edge.lookups).toBe(1);
  expect(edge.findings).toHaveLength(2);
});

test("a request without a key gets 401 and how to send one", async () => {
  const edge = isolate();
  const { response, problem, isSynchronous, variables } = await edge.sendWithoutKey("/closed");
  expect(response.status).toBe(401);
  expect(response.headers.get("www-authenticate")).toBe('Bearer realm="api"');
  expect(problem).toEqual({
    code: "unauthenticated",
    detail: "Send an API key as Authorization: Bearer.",
  });
  expect(isSynchronous).toBe(true);
  expect(variables.rejectedBy).toBe("authentication");
  expect(edge.findings).toEqual([{ type: "auth_failure", user: "anonymous", reason: "missing" }]);
});

test("a key without the route's scope gets 403 and the scope's name", async () => {
  const edge = isolate();
  edge.setLookup(recordWith({ scopes: ["other"] }));
  const { response, problem } = await edge.send();
  expect(response.status).toBe(403);
  expect(response.headers.get("www-authenticate")).toBe(
    'Bearer realm="api", error="insufficient_scope", scope="read"',
  );
  expect(problem).toEqual({ code: "forbidden", detail: "The credentials lack the scope read." });
  expect(edge.findings).toEqual([{ type: "auth_failure", user: "alice", reason: "insufficient_scope" }]);
});

test("a public route needs no key and looks none up", async () => {
  const edge = isolate();
  for (const sent of [edge.sendWithoutKey("/open"), edge.send("anything", "/open")])
    expect(await sent).toMatchObject({
      passed: true,
      isSynchronous: true,
      variables: { identity: { auth: "none" } },
    });
  expect(edge.lookups).toBe(0);
});

test("only an operator who asks gets debug fields, also on a public route", async () => {
  const edge = isolate();
  for (const target of ["/closed", "/open"])
    expect((await edge.send(key, target, explain)).variables.debug).toBe(false);
  const operator = isolate();
  operator.setLookup(recordWith({ scopes: ["read", "operator"] }));
  for (const target of ["/closed", "/open"])
    expect((await operator.send(key, target, explain)).variables.debug).toBe(true);
  expect((await operator.send()).variables.debug).toBe(false);
});

describe("wrong credentials of one address", () => {
  const guesser = async (target = "/closed", headers = {}) => {
    const edge = isolate();
    edge.setLookup({ kind: "unknown" });
    const guess = () => edge.send(newKey(), target, headers);
    const guesses = async (count: number): Promise<number[]> => {
      const statuses: number[] = [];
      for (let turn = 0; turn < count; turn += 1) statuses.push((await guess()).response.status);
      return statuses;
    };
    return { edge, guess, guesses };
  };

  test("are checked twenty times, and then once a second; others get 429 without a lookup", async () => {
    const { edge, guess, guesses } = await guesser();
    expect(await guesses(FAILED_CHECKS.capacity)).toEqual(Array(FAILED_CHECKS.capacity).fill(401));
    const { response, problem, variables, isSynchronous } = await guess();
    expect(response.status).toBe(429);
    expect(response.headers.get("retry-after")).toBe("1");
    expect(problem).toEqual({
      code: "rate_limited",
      detail: "Too many invalid credentials from this address. Try again in 1 s.",
    });
    expect([variables.rejectedBy, isSynchronous]).toEqual(["authentication", true]);
    await guesses(100);
    expect(edge.lookups).toBe(FAILED_CHECKS.capacity);
    edge.wait(3_000);
    await guesses(100);
    expect(edge.lookups).toBe(FAILED_CHECKS.capacity + 3);
    expect(edge.findings.filter(({ type }) => type === "auth_failure")).toHaveLength(edge.lookups);
    expect(edge.findings.at(-1)).toEqual({
      type: "rate_limit_exceeded",
      endpoint: "GET /closed",
      limits: ["failed-authentication"],
    });
  });

  test("are limited also if they come at once", async () => {
    const { edge, guess, guesses } = await guesser();
    await Promise.all(Array.from({ length: 600 }, guess));
    expect(edge.lookups).toBeLessThanOrEqual(100);
    // What was checked beyond the limit is waited for.
    edge.wait(60_000);
    expect(await guesses(1)).toEqual([429]);
  });

  test("leave a key that was valid lately its access, and other addresses theirs", async () => {
    const { edge, guesses } = await guesser();
    edge.setLookup(valid);
    expect((await edge.send()).passed).toBe(true);
    edge.setLookup({ kind: "unknown" });
    await guesses(100);
    edge.setLookup(valid);
    // The cached result is too old.
    edge.wait(6_000);
    await guesses(10);
    expect((await edge.send()).passed).toBe(true);
    expect((await edge.send(newKey(), "/closed", {}, "192.0.2.2")).response.status).toBe(401);
  });

  test("count once if a misconfigured client repeats them", async () => {
    const { edge } = await guesser();
    const wrong = newKey();
    for (let turn = 0; turn < 600; turn += 1) {
      expect((await edge.send(wrong)).response.status).toBe(401);
      edge.wait(100);
    }
    edge.setLookup(valid);
    expect((await edge.send()).passed).toBe(true);
  });

  test("are no guesses if their secret is right", async () => {
    const { edge } = await guesser();
    edge.setLookup(recordWith({ expiresAtMs: START_MS }));
    for (let turn = 0; turn < 100; turn += 1) {
      expect((await edge.send()).response.status).toBe(401);
      edge.wait(5_000);
    }
    const burst = Array.from({ length: 50 }, () => edge.send());
    expect(new Set((await Promise.all(burst)).map(({ response }) => response.status))).toEqual(
      new Set([401]),
    );
  });

  test("are limited and reported on a public route too, where they ask for debug fields", async () => {
    const { edge, guesses } = await guesser("/open", explain);
    expect(await guesses(600)).toEqual(Array(600).fill(200));
    expect(edge.lookups).toBe(FAILED_CHECKS.capacity);
    expect(edge.findings).toHaveLength(FAILED_CHECKS.capacity);
    expect(edge.findings[0]).toMatchObject({ type: "auth_failure", reason: "unknown_key" });
  });
});
