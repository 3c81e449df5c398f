/** Who is asking: an API key by `Authorization: Bearer`, and the scopes that the route asks for. */
import { type Problem, problem } from "../../contract/problem.ts";
import { createBoundedMap } from "../../core/bounded-map.ts";
import { bearerToken, parseKey, verifyKey } from "../../core/security/api-key.ts";
import { missingScopes, type Principal } from "../../core/security/principal.ts";
import { type Exchange, type Guard, routed } from "../exchange.ts";
import { asksForExplanation, mayBeExplainedTo } from "../explanation.ts";
import type { KeyLookup } from "../key-lookup.ts";

/** How long an isolate believes what it has found out about a key: so long a revoked one may live. */
const VERDICT_LIFETIME_MS = 10_000;
/** Verdicts kept; guesses have a room of their own, so that they cannot push out what is valid. */
const MAX_VERDICTS = 10_000;

interface CachedVerdict {
  readonly principal: Principal | undefined;
  readonly untilMs: number;
}

const challenge = (error?: string, scope?: string): Record<string, string> => ({
  "www-authenticate": `Bearer realm="api"${error ? `, error="${error}"` : ""}${scope ? `, scope="${scope}"` : ""}`,
});

const unauthenticated = (detail: string, error?: string): Problem =>
  problem("unauthenticated", { detail, headers: challenge(error) });

/** @param ahead told, before a key is looked up, whose it was when it was last looked up: that takes a round trip */
export const authenticationGuard = (
  lookup: KeyLookup,
  now: () => number,
  ahead: (exchange: Exchange, principal: string | undefined) => void,
): Guard => {
  const accepted = createBoundedMap<CachedVerdict>(MAX_VERDICTS);
  const refused = createBoundedMap<CachedVerdict>(MAX_VERDICTS);

  const remember = (token: string, principal: Principal | undefined, untilMs: number): void => {
    (principal === undefined ? refused : accepted).set(token, { principal, untilMs });
  };

  const known = (token: string): CachedVerdict | undefined => {
    const verdict = accepted.get(token) ?? refused.get(token);
    return verdict !== undefined && verdict.untilMs > now() ? verdict : undefined;
  };

  const principalOf = async (token: string, exchange: Exchange): Promise<Principal | Problem | undefined> => {
    const verdict = known(token);
    if (verdict !== undefined) return verdict.principal;
    const presented = parseKey(token);
    if (presented === undefined) return undefined;
    const askedAtMs = now();
    ahead(exchange, accepted.get(token)?.principal?.id);
    const found = await lookup(presented.id, exchange);
    if (found.kind === "unavailable") {
      return problem("unavailable", {
        detail: "Credentials cannot be checked now.",
        headers: { "retry-after": "1" },
      });
    }
    const record = found.kind === "found" ? found.record : undefined;
    const principal = record === undefined ? undefined : verifyKey(presented, record, now());
    const expiresAtMs = record?.expiresAtMs ?? Number.POSITIVE_INFINITY;
    accepted.delete(token);
    refused.delete(token);
    const untilMs = askedAtMs + VERDICT_LIFETIME_MS;
    remember(token, principal, principal === undefined ? untilMs : Math.min(untilMs, expiresAtMs));
    return principal;
  };

  return async (exchange) => {
    const { auth } = routed(exchange).entry.route.policy;
    const isAsking = asksForExplanation(exchange);
    if (auth === "public" && !isAsking) return undefined;
    const token = bearerToken(exchange.request.headers.get("authorization"));
    if (auth === "public") {
      const asking = token === undefined ? undefined : await principalOf(token, exchange);
      exchange.isExplained = asking !== undefined && !("code" in asking) && mayBeExplainedTo(asking);
      return undefined;
    }
    if (token === undefined) return unauthenticated("Send an API key as Authorization: Bearer KEY.");
    const principal = await principalOf(token, exchange);
    if (principal === undefined) return unauthenticated("The API key is not valid.", "invalid_token");
    if ("code" in principal) return principal;
    const missing = missingScopes(auth, principal);
    if (missing.length > 0) {
      return problem("forbidden", {
        detail: `The API key lacks the scope ${missing.join(", ")}.`,
        headers: challenge("insufficient_scope", auth.scopes.join(" ")),
      });
    }
    exchange.verdict = { auth: "api-key", principal };
    exchange.isExplained = isAsking && mayBeExplainedTo(principal);
    return undefined;
  };
};
