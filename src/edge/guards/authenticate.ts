/** Who is asking: an API key by `Authorization: Bearer`, and the scopes that the route asks for. */
import { type Problem, problem } from "../../contract/problem.ts";
import { createBoundedMap } from "../../core/bounded-map.ts";
import { bearerToken, type PresentedKey, parseKey, verifyKey } from "../../core/security/api-key.ts";
import { missingScopes, type Principal } from "../../core/security/principal.ts";
import type { AuthFailureReason } from "../../core/security-events/event.ts";
import { type Exchange, type Guard, routed } from "../exchange.ts";
import { asksForExplanation, mayBeExplainedTo } from "../explanation.ts";
import type { KeyFinding, KeyLookup } from "../key-lookup.ts";
import type { ReportSecurity } from "../security-report.ts";

/**
 * How long an isolate believes what it has found out about a key. With the time for which Redis may hold what an origin
 * could not renew, that is the 10 s for which a revoked one may live.
 */
const VERDICT_LIFETIME_MS = 5_000;
/** From then on it is looked up again in the background, so that nobody who asks often waits for it. */
const REFRESH_AFTER_MS = 2_500;
/** Verdicts kept; guesses have a room of their own, so that they cannot push out what is valid. */
const MAX_VERDICTS = 10_000;

/** What a token is worth. */
type Credentials =
  | { readonly kind: "proven"; readonly principal: Principal }
  /** `user` is whom it claims to be. */
  | { readonly kind: "refused"; readonly reason: AuthFailureReason; readonly user: string };

interface CachedVerdict {
  readonly credentials: Credentials;
  readonly untilMs: number;
  /** Infinity where somebody does so. */
  refreshAtMs: number;
}

export interface AuthenticationDependencies {
  readonly lookup: KeyLookup;
  /** Epoch milliseconds. */
  readonly now: () => number;
  /** Told, before a key is looked up, whose it was when it was last looked up: that takes a round trip. */
  readonly ahead: (exchange: Exchange, principal: string | undefined) => void;
  readonly reportSecurity: ReportSecurity;
}

const challenge = (error?: string, scope?: string): Record<string, string> => ({
  "www-authenticate": `Bearer realm="api"${error ? `, error="${error}"` : ""}${scope ? `, scope="${scope}"` : ""}`,
});

const unauthenticated = (detail: string, error?: string): Problem =>
  problem("unauthenticated", { detail, headers: challenge(error) });

const unavailable = problem("unavailable", {
  detail: "Credentials cannot be checked now.",
  headers: { "retry-after": "1" },
});

const MALFORMED: Credentials = { kind: "refused", reason: "malformed", user: "anonymous" };

const proven = (credentials: Credentials | undefined): Principal | undefined =>
  credentials?.kind === "proven" ? credentials.principal : undefined;

export const authenticationGuard = (dependencies: AuthenticationDependencies): Guard => {
  const { lookup, now, ahead, reportSecurity } = dependencies;
  const accepted = createBoundedMap<CachedVerdict>(MAX_VERDICTS);
  const refused = createBoundedMap<CachedVerdict>(MAX_VERDICTS);

  const known = (token: string): CachedVerdict | undefined => {
    const verdict = accepted.get(token) ?? refused.get(token);
    return verdict !== undefined && verdict.untilMs > now() ? verdict : undefined;
  };

  const judge = (
    presented: PresentedKey,
    found: Exclude<KeyFinding, { kind: "unavailable" }>,
  ): Credentials => {
    const user = `key:${presented.id}`;
    if (found.kind === "unknown") return { kind: "refused", reason: "unknown_key", user };
    const verified = verifyKey(presented, found.record, now());
    return typeof verified === "string"
      ? { kind: "refused", reason: verified, user }
      : { kind: "proven", principal: verified };
  };

  const remember = (token: string, credentials: Credentials, untilMs: number, refreshAtMs: number): void => {
    accepted.delete(token);
    refused.delete(token);
    const verdicts = credentials.kind === "proven" ? accepted : refused;
    verdicts.set(token, { credentials, untilMs, refreshAtMs });
  };

  /** Undefined where nobody can say now. */
  const lookUp = async (
    token: string,
    presented: PresentedKey,
    exchange: Exchange,
  ): Promise<Credentials | undefined> => {
    const askedAtMs = now();
    const found = await lookup(presented.id, exchange);
    if (found.kind === "unavailable") return undefined;
    const credentials = judge(presented, found);
    const isProven = credentials.kind === "proven";
    const expiresAtMs =
      (found.kind === "found" && isProven ? found.record.expiresAtMs : null) ?? Number.POSITIVE_INFINITY;
    const untilMs = Math.min(askedAtMs + VERDICT_LIFETIME_MS, expiresAtMs);
    remember(token, credentials, untilMs, isProven ? askedAtMs + REFRESH_AFTER_MS : Number.POSITIVE_INFINITY);
    return credentials;
  };

  const credentialsOf = async (token: string, exchange: Exchange): Promise<Credentials | undefined> => {
    const verdict = known(token);
    if (verdict !== undefined && now() < verdict.refreshAtMs) return verdict.credentials;
    const presented = parseKey(token);
    if (presented === undefined) return MALFORMED;
    if (verdict !== undefined) {
      verdict.refreshAtMs = Number.POSITIVE_INFINITY;
      exchange.inBackground(lookUp(token, presented, exchange));
      return verdict.credentials;
    }
    ahead(exchange, proven(accepted.get(token)?.credentials)?.id);
    return await lookUp(token, presented, exchange);
  };

  return async (exchange) => {
    const { auth } = routed(exchange).entry.route.policy;
    const isAsking = asksForExplanation(exchange);
    if (auth === "public" && !isAsking) return undefined;
    const token = bearerToken(exchange.request.headers.get("authorization"));
    if (auth === "public") {
      const principal = token === undefined ? undefined : proven(await credentialsOf(token, exchange));
      exchange.isExplained = principal !== undefined && mayBeExplainedTo(principal);
      return undefined;
    }
    if (token === undefined) {
      reportSecurity(exchange, { type: "auth_failure", user: "anonymous", reason: "missing" });
      return unauthenticated("Send an API key as Authorization: Bearer KEY.");
    }
    const credentials = await credentialsOf(token, exchange);
    if (credentials === undefined) return unavailable;
    if (credentials.kind === "refused") {
      const { user, reason } = credentials;
      reportSecurity(exchange, { type: "auth_failure", user, reason });
      return unauthenticated("The API key is not valid.", "invalid_token");
    }
    const { principal } = credentials;
    const missing = missingScopes(auth, principal);
    if (missing.length > 0) {
      reportSecurity(exchange, { type: "auth_failure", user: principal.id, reason: "insufficient_scope" });
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
