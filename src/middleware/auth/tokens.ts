/** Access tokens of an issuer (JWT): verified by its keys, and believed for a while. */
import { createBoundedMap } from "../../lib/bounded-map.ts";
import type { TokenVerifier } from "./jwt/token-verifier.ts";
import {
  ANONYMOUS,
  type AuthContext,
  type AuthResult,
  type CheckCredentials,
  UNAVAILABLE,
} from "./result.ts";

/** How long an isolate believes a token that it has verified: verifying costs more than all the rest. */
const VERDICT_LIFETIME_MS = 10_000;
/** A token is up to 8 KiB, and a verdict holds it. What is refused is kept nowhere: whoever sends it varies it. */
const MAX_VERDICTS = 2_000;

interface CachedVerdict {
  readonly credentials: AuthResult;
  readonly fromMs: number;
  readonly untilMs: number;
}

export const tokens = (verifier: TokenVerifier, now: () => number): CheckCredentials => {
  const accepted = createBoundedMap<CachedVerdict>(MAX_VERDICTS);

  const verify = async (token: string, c: AuthContext): Promise<AuthResult> => {
    const verifiedAtMs = now();
    const verdict = await verifier.verify(token, c.get("waitUntil"));
    switch (verdict.kind) {
      case "unavailable":
        return UNAVAILABLE;
      case "refused":
        // What it says of its subject nobody has vouched for.
        return { kind: "refused", reason: verdict.reason, user: ANONYMOUS };
      case "proven": {
        const { principal, expiresAtMs } = verdict;
        const credentials: AuthResult = { kind: "proven", identity: { auth: "jwt", principal } };
        const untilMs = Math.min(verifiedAtMs + VERDICT_LIFETIME_MS, expiresAtMs);
        accepted.set(token, { credentials, fromMs: verifiedAtMs, untilMs });
        return credentials;
      }
    }
  };

  return (token, c) => {
    const known = accepted.get(token);
    if (known === undefined) return verify(token, c);
    const nowMs = now();
    // A clock that was set back says nothing about how long it has been believed.
    if (nowMs >= known.fromMs && nowMs < known.untilMs) return known.credentials;
    accepted.delete(token);
    return verify(token, c);
  };
};
