/** How long an isolate believes a token that it has verified, and what it keeps of others. */
import { expect, test } from "vitest";
import { faulty, type TokenVerdict } from "../../../src/middleware/auth/jwt/verdict.ts";
import type { Credentials } from "../../../src/middleware/auth/result.ts";
import { tokenCredentials } from "../../../src/middleware/auth/tokens.ts";
import { openExchange } from "../open-exchange.ts";

const START_MS = 1_800_000_000_000;
const alice = { id: "jwt:alice", scopes: ["orders:read"] };
const proven: Credentials = { kind: "proven", verdict: { auth: "jwt", principal: alice } };

const sound = (livesMs = 3_600_000): TokenVerdict => ({
  kind: "proven",
  principal: alice,
  expiresAtMs: START_MS + livesMs,
});

/** An isolate with a clock of its own, and an issuer that says what it is told to. */
const isolate = (first: TokenVerdict = sound()) => {
  let nowMs = START_MS;
  let verdict = first;
  let verifications = 0;
  const wait = (ms: number): void => {
    nowMs += ms;
  };
  let takesMs = 0;
  const check = tokenCredentials(
    {
      verify: async () => {
        verifications += 1;
        wait(takesMs);
        return verdict;
      },
    },
    () => nowMs,
  );
  return {
    ask: (token = "a.b.c") => check(token, openExchange()),
    say: (next: TokenVerdict) => {
      verdict = next;
    },
    takes: (ms: number) => {
      takesMs = ms;
    },
    wait,
    get verifications() {
      return verifications;
    },
  };
};

test("a verified token is believed at once for 10 s, and then verified again", async () => {
  const edge = isolate();
  expect(await edge.ask()).toEqual(proven);
  edge.wait(9_999);
  expect(edge.ask()).toEqual(proven);
  edge.wait(1);
  edge.say(faulty("unknown_key"));
  expect(await edge.ask()).toEqual({ kind: "refused", reason: "unknown_key", user: "anonymous" });
  expect(edge.verifications).toBe(2);
});

test("the 10 s begin when its verification does", async () => {
  const edge = isolate();
  edge.takes(4_000);
  await edge.ask();
  edge.wait(5_999);
  expect(edge.ask()).toEqual(proven);
  edge.wait(1);
  expect(edge.ask()).toBeInstanceOf(Promise);
});

test("it is believed no longer than it says itself", async () => {
  const edge = isolate(sound(3_000));
  await edge.ask();
  edge.wait(2_999);
  expect(edge.ask()).toEqual(proven);
  edge.wait(1);
  edge.say(faulty("expired"));
  expect(await edge.ask()).toMatchObject({ kind: "refused", reason: "expired" });
});

test("no other token is believed for its sake", async () => {
  const edge = isolate();
  await edge.ask();
  edge.say(faulty("bad_signature"));
  expect(await edge.ask("a.b.d")).toMatchObject({ kind: "refused", reason: "bad_signature" });
  expect(edge.ask()).toEqual(proven);
});

test.each<[string, TokenVerdict, object]>([
  [
    "a token was refused",
    faulty("bad_signature"),
    { kind: "refused", reason: "bad_signature", user: "anonymous" },
  ],
  ["nobody could say", { kind: "unavailable" }, { kind: "unavailable" }],
])("that %s is kept nowhere", async (_, verdict, credentials) => {
  const edge = isolate(verdict);
  expect(await edge.ask()).toEqual(credentials);
  edge.say(sound());
  expect(await edge.ask()).toEqual(proven);
  expect(edge.verifications).toBe(2);
});

test("of many tokens those are kept that were asked for lately, and no more than 2,000", async () => {
  const edge = isolate();
  const tokens = Array.from({ length: 2_001 }, (_, index) => `a.b.${index}`);
  for (const token of tokens) {
    await edge.ask(token);
    await edge.ask("often");
  }
  // Each of them, and the one that is asked for often.
  expect(edge.verifications).toBe(2_001 + 1);
  const kept = tokens.filter((token) => !(edge.ask(token) instanceof Promise));
  expect(kept).toContain(tokens.at(-1));
  expect(kept.length).toBeLessThan(2_000);
});
