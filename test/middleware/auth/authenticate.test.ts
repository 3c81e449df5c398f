/** How long an isolate believes a key, and what it costs those who ask. */
import { expect, test } from "vitest";
import { edgeRoutes } from "../../../src/contract/edge-manifest.ts";
import { defineRoute } from "../../../src/contract/route.ts";
import { createKey } from "../../../src/middleware/auth/api-key.ts";
import type { KeyLookupResult } from "../../../src/middleware/auth/api-keys.ts";
import { keyCredentials } from "../../../src/middleware/auth/api-keys.ts";
import { authenticationGuard } from "../../../src/middleware/auth/index.ts";
import type { Exchange, GuardResult } from "../../../src/middleware/exchange.ts";
import type { SecurityFinding } from "../../../src/middleware/security-report.ts";
import { openExchange } from "../open-exchange.ts";

const closed = defineRoute({
  method: "GET",
  path: "/closed",
  summary: "Needs a key",
  tag: "Test",
  responses: { 200: { description: "Done" } },
  policy: { auth: { scopes: ["read"] } },
});
const { closed: route } = edgeRoutes({ closed });
if (route === undefined) throw new Error("there is no such route");

const { id, key, hash } = createKey((bytes) => crypto.getRandomValues(bytes));
const valid: KeyLookupResult = {
  kind: "found",
  record: { id, hash, principal: "alice", scopes: ["read"], expiresAtMs: null },
};

const START_MS = 1_800_000_000_000;

/** An isolate with a clock of its own. */
const isolate = () => {
  let nowMs = START_MS;
  let finding: KeyLookupResult = valid;
  let lookUps = 0;
  const findings: SecurityFinding[] = [];
  const background: Promise<unknown>[] = [];
  const guard = authenticationGuard({
    keys: keyCredentials({
      lookup: async () => {
        lookUps += 1;
        return finding;
      },
      now: () => nowMs,
      ahead: () => undefined,
    }),
    reportSecurity: (_, each) => void findings.push(each),
  });
  const exchangeOf = (token: string): Exchange => {
    const exchange = openExchange({
      target: "/closed",
      headers: { authorization: `Bearer ${token}` },
      inBackground: (work) => void background.push(work),
    });
    return Object.assign(exchange, {
      entry: { name: "closed", route },
      deadlineAtMs: nowMs + 1_000,
    });
  };
  return {
    ask: async (token = key): Promise<"let through" | GuardResult> =>
      (await guard(exchangeOf(token))) ?? "let through",
    wait: (ms: number) => {
      nowMs += ms;
    },
    find: (next: KeyLookupResult) => {
      finding = next;
    },
    settled: () => Promise.all(background),
    findings,
    get lookUps() {
      return lookUps;
    },
  };
};

test("a key that was looked up is believed without asking", async () => {
  const edge = isolate();
  for (let turn = 0; turn < 10; turn += 1) expect(await edge.ask()).toBe("let through");
  expect(edge.lookUps).toBe(1);
});

test("one who asks often never waits: of those who find it half as old as it may be, one has it looked up again", async () => {
  const edge = isolate();
  await edge.ask();
  for (let turn = 0; turn < 100; turn += 1) {
    edge.wait(250);
    await Promise.all([edge.ask(), edge.ask()]);
    await edge.settled();
  }
  // 25 s, each 2.5 s.
  expect(edge.lookUps).toBe(11);
});

test("a revoked key ends at its next look-up, in the background or not", async () => {
  const often = isolate();
  await often.ask();
  often.find({ kind: "unknown" });
  often.wait(2_500);
  expect(await often.ask()).toBe("let through");
  await often.settled();
  expect(await often.ask()).toMatchObject({ code: "unauthenticated" });

  const seldom = isolate();
  await seldom.ask();
  seldom.find({ kind: "unknown" });
  seldom.wait(5_000);
  expect(await seldom.ask()).toMatchObject({ code: "unauthenticated" });
});

test("where nobody can look it up, it is believed for 5 s, and nobody is let in after that", async () => {
  const edge = isolate();
  await edge.ask();
  edge.find({ kind: "unavailable" });
  edge.wait(4_999);
  expect(await edge.ask()).toBe("let through");
  await edge.settled();
  edge.wait(1);
  expect(await edge.ask()).toMatchObject({ code: "unavailable" });
});

test("a key that expires is not believed beyond that", async () => {
  const edge = isolate();
  edge.find({ ...valid, record: { ...valid.record, expiresAtMs: START_MS + 1_000 } });
  expect(await edge.ask()).toBe("let through");
  edge.wait(1_000);
  expect(await edge.ask()).toMatchObject({ code: "unauthenticated" });
  expect(edge.findings).toEqual([{ type: "auth_failure", user: `key:${id}`, reason: "expired" }]);
});

test("a guess is not looked up twice, and each is told of", async () => {
  const edge = isolate();
  edge.find({ kind: "unknown" });
  await edge.ask();
  await edge.ask();
  expect(edge.lookUps).toBe(1);
  expect(edge.findings).toHaveLength(2);
});
