/** Which requests check credentials, with a verifier that the test controls. */
import { expect, test } from "vitest";
import { checkCredentials } from "../../../src/middleware/auth/credentials.ts";
import { FAILED_CHECKS, FailedChecks } from "../../../src/middleware/auth/failed-checks.ts";
import type { AuthResult, VerifyCredentials } from "../../../src/middleware/auth/principal.ts";
import { requestReader } from "../support/app.ts";

const TOKEN = "header.payload.signature";
const proven: AuthResult = {
  kind: "proven",
  identity: { auth: "jwt", principal: { id: "jwt:alice", scopes: [] } },
};
const forged: AuthResult = { kind: "refused", reason: "bad_signature", user: "anonymous" };

/** @param wasValid whether the verifier has accepted the credentials before */
const start = (result: AuthResult, wasValid = false) => {
  let verified = 0;
  const tokens: VerifyCredentials = (_, __, mayVerify) => {
    if (mayVerify?.(wasValid) === false) return { kind: "unavailable" };
    verified += 1;
    return new Promise((resolve) => setTimeout(() => resolve(result), 5));
  };
  const now = (): number => 1_800_000_000_000;
  const failedChecks = new FailedChecks(now);
  const check = checkCredentials({ apiKeys: () => forged, tokens, failedChecks, now });
  return {
    check: (token = TOKEN) => Promise.resolve(check(token, requestReader())),
    get verified() {
      return verified;
    },
  };
};

const kinds = (results: readonly AuthResult[]): string[] => [...new Set(results.map(({ kind }) => kind))];

test("many requests with one valid token do not use up the limit of wrong ones", async () => {
  const credentials = start(proven);
  const results = await Promise.all(Array.from({ length: 500 }, () => credentials.check()));
  expect(kinds(results)).toEqual(["proven"]);
});

test("made-up tokens are verified until the limit of their address", async () => {
  const credentials = start(forged);
  for (let turn = 0; turn < 100; turn += 1) await credentials.check(`a.b.${turn}`);
  expect(credentials.verified).toBe(FAILED_CHECKS.capacity);
  expect(await credentials.check("a.b.c")).toEqual({ kind: "limited", waitMs: expect.any(Number) });
});

test("a token that was valid lately is verified whatever its address has sent", async () => {
  const credentials = start(forged, true);
  for (let turn = 0; turn < 100; turn += 1) await credentials.check(`a.b.${turn}`);
  expect(credentials.verified).toBe(100);
});

test.each([
  "expired",
  "wrong_audience",
  "wrong_issuer",
  "not_yet_valid",
] as const)("tokens that are refused as %s are no guesses", async (reason) => {
  const credentials = start({ kind: "refused", reason, user: "anonymous" });
  for (let turn = 0; turn < 100; turn += 1) await credentials.check(`a.b.${turn}`);
  expect(credentials.verified).toBe(100);
});
