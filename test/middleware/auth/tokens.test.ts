/** How long an isolate caches the verification of a token, and which tokens it caches. */
import { expect, test } from "vitest";
import { faulty, type TokenVerdict } from "../../../src/middleware/auth/jwt/verdict.ts";
import type { AuthResult } from "../../../src/middleware/auth/result.ts";
import { tokens } from "../../../src/middleware/auth/tokens.ts";
import { requestReader } from "../support/app.ts";

const START_MS = 1_800_000_000_000;
const alice = { id: "jwt:alice", scopes: ["orders:read"] };
const proven: AuthResult = { kind: "proven", identity: { auth: "jwt", principal: alice } };

const valid = (lifetimeMs = 3_600_000): TokenVerdict => ({
  kind: "proven",
  principal: alice,
  expiresAtMs: START_MS + lifetimeMs,
});

/** An isolate with a clock of its own, and a verifier that returns what the test sets. */
const isolate = (first: TokenVerdict = valid()) => {
  let nowMs = START_MS;
  let verdict = first;
  let verifications = 0;
  const wait = (ms: number): void => {
    nowMs += ms;
  };
  let durationMs = 0;
  const check = tokens(
    {
      verify: async () => {
        verifications += 1;
        wait(durationMs);
        return verdict;
      },
    },
    () => nowMs,
  );
  return {
    check: (token = "a.b.c") => check(token, requestReader()),
    setVerdict: (next: TokenVerdict) => {
      verdict = next;
    },
    setDuration: (ms: number) => {
      durationMs = ms;
    },
    wait,
    get verifications() {
      return verifications;
    },
  };
};

test("a verified token is accepted immediately for 10 s, and then verified again", async () => {
  const edge = isolate();
  expect(await edge.check()).toEqual(proven);
  edge.wait(9_999);
  expect(edge.check()).toEqual(proven);
  edge.wait(1);
  edge.setVerdict(faulty("unknown_key"));
  expect(await edge.check()).toEqual({ kind: "refused", reason: "unknown_key", user: "anonymous" });
  expect(edge.verifications).toBe(2);
});

test("the 10 s begin when verification begins", async () => {
  const edge = isolate();
  edge.setDuration(4_000);
  await edge.check();
  edge.wait(5_999);
  expect(edge.check()).toEqual(proven);
  edge.wait(1);
  expect(edge.check()).toBeInstanceOf(Promise);
});

test("a token is not accepted after its own expiry", async () => {
  const edge = isolate(valid(3_000));
  await edge.check();
  edge.wait(2_999);
  expect(edge.check()).toEqual(proven);
  edge.wait(1);
  edge.setVerdict(faulty("expired"));
  expect(await edge.check()).toMatchObject({ kind: "refused", reason: "expired" });
});

test("a cached token does not vouch for another", async () => {
  const edge = isolate();
  await edge.check();
  edge.setVerdict(faulty("bad_signature"));
  expect(await edge.check("a.b.d")).toMatchObject({ kind: "refused", reason: "bad_signature" });
  expect(edge.check()).toEqual(proven);
});

test.each<[string, TokenVerdict, object]>([
  ["a rejection", faulty("bad_signature"), { kind: "refused", reason: "bad_signature", user: "anonymous" }],
  ["an unavailable issuer", { kind: "unavailable" }, { kind: "unavailable" }],
])("%s is not cached", async (_, verdict, result) => {
  const edge = isolate(verdict);
  expect(await edge.check()).toEqual(result);
  edge.setVerdict(valid());
  expect(await edge.check()).toEqual(proven);
  expect(edge.verifications).toBe(2);
});

test("the cache keeps the tokens used most recently, at most 2,000", async () => {
  const edge = isolate();
  const all = Array.from({ length: 2_001 }, (_, index) => `a.b.${index}`);
  for (const token of all) {
    await edge.check(token);
    await edge.check("often");
  }
  // Each of them, and the one used often.
  expect(edge.verifications).toBe(2_001 + 1);
  const cached = all.filter((token) => !(edge.check(token) instanceof Promise));
  expect(cached).toContain(all.at(-1));
  expect(cached.length).toBeLessThan(2_000);
});
