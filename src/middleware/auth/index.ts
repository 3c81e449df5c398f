/**
 * Identifies the client by an API key, or by an access token of the configured issuer (`Authorization: Bearer`), and checks
 * the scopes that the route requires.
 */
import type { Context } from "hono";
import { createMiddleware } from "hono/factory";
import { OPERATOR_SCOPE } from "../../contract/policy.ts";
import { type Problem, problem } from "../../contract/problem.ts";
import type { AuthFailureReason } from "../../security-events/event.ts";
import type { ContextVariables } from "../context/index.ts";
import type { Middleware } from "../pipeline.ts";
import { type RejectionVariables, reject } from "../problems/index.ts";
import type { RouteVariables } from "../route-policy/index.ts";
import type { ReportSecurity } from "../security-report.ts";
import { looksLikeToken } from "./jwt.ts";
import {
  ANONYMOUS,
  ANONYMOUS_IDENTITY,
  type AuthResult,
  type CheckCredentials,
  type Identity,
  missingScopes,
  provenPrincipal,
  type VerifyCredentials,
} from "./principal.ts";

export interface AuthVariables {
  identity: Identity;
  /** Whether the response shall say how it came about: an operator asked with the field `Breakwater-Explain`. */
  debug: boolean;
}

export interface AuthDeps {
  readonly check: CheckCredentials;
  /** Undefined if no issuer is configured. */
  readonly tokens: VerifyCredentials | undefined;
  readonly report: ReportSecurity;
}

type Variables = ContextVariables & RouteVariables & AuthVariables & RejectionVariables;
type AuthedContext = Context<{ Variables: Variables }>;

/** The request field that asks for debug fields, whatever its value. */
const DEBUG_FIELD = "breakwater-explain";

const challenge = (error?: string, scope?: string): Record<string, string> => ({
  "www-authenticate": `Bearer realm="api"${error ? `, error="${error}"` : ""}${scope ? `, scope="${scope}"` : ""}`,
});

const unauthenticated = (detail: string, error?: string): Problem =>
  problem("unauthenticated", { detail, headers: challenge(error) });

const unavailable = problem("unavailable", {
  detail: "Credentials cannot be verified at the moment.",
  headers: { "retry-after": "1" },
});

/** Its name in security events and problems, beside the limits of the contract. */
const FAILED_CHECKS_LIMIT = "failed-authentication";

const tooManyFailures = (waitMs: number): Problem => {
  const retryAfterS = Math.max(1, Math.ceil(waitMs / 1_000));
  return problem("rate_limited", {
    detail: `Too many invalid credentials from this address. Try again in ${retryAfterS} s.`,
    violatedPolicies: [FAILED_CHECKS_LIMIT],
    headers: { "retry-after": String(retryAfterS) },
  });
};

/** The credentials of an `Authorization: Bearer` field (RFC 6750 §2.1). */
export const bearerToken = (authorization: string | null): string | undefined =>
  /^bearer +([^ ]+)$/i.exec(authorization ?? "")?.[1];

/** Faults that a token's holder can fix. About an API key a client learns only that it is not valid. */
const TOKEN_FAULTS: Readonly<Partial<Record<AuthFailureReason, string>>> = {
  malformed: "Unsupported token.",
  unsupported_algorithm: "The token's signature algorithm is not supported.",
  unknown_key: "The token is signed with a key that its issuer does not publish.",
  bad_signature: "The token's signature is not valid.",
  expired: "The token has expired.",
  not_yet_valid: "The token is not valid yet.",
  wrong_issuer: "The token is from another issuer.",
  wrong_audience: "The token is for another audience.",
  no_expiry: "The token has no expiry.",
  no_subject: "The token has no subject.",
};

export const auth = ({
  check,
  tokens,
  report,
}: AuthDeps): Middleware<ContextVariables & RouteVariables, AuthVariables & RejectionVariables> => {
  const fail = (c: AuthedContext, user: string, reason: AuthFailureReason, failure: Problem): Response => {
    report(c, c.get("route").name, { type: "auth_failure", user, reason });
    return reject(c, "authentication", failure);
  };

  /** The credentials were not checked, so they are no failure that scores; the address is over a limit. */
  const limit = (c: AuthedContext, waitMs: number): Response => {
    const { name, route } = c.get("route");
    const endpoint = `${route.method} ${route.path}`;
    report(c, name, { type: "rate_limit_exceeded", endpoint, limits: [FAILED_CHECKS_LIMIT] });
    return reject(c, "authentication", tooManyFailures(waitMs));
  };

  /** On a public route credentials only decide who may see debug fields; a guess is reported all the same. */
  const accept = (c: AuthedContext, token: string, result: AuthResult): Response | undefined => {
    const required = c.get("route").route.policy.auth;
    const principal = provenPrincipal(result);
    const mayDebug = principal?.scopes.includes(OPERATOR_SCOPE) === true;
    c.set("debug", mayDebug && c.req.header(DEBUG_FIELD) !== undefined);
    if (required === "public") {
      if (result.kind === "refused")
        report(c, c.get("route").name, { type: "auth_failure", user: result.user, reason: result.reason });
      return undefined;
    }
    if (result.kind === "limited") return limit(c, result.waitMs);
    if (result.kind === "unavailable") return reject(c, "authentication", unavailable);
    if (result.kind === "refused") {
      const isToken = tokens !== undefined && looksLikeToken(token);
      const detail = (isToken ? TOKEN_FAULTS[result.reason] : undefined) ?? "The API key is not valid.";
      return fail(c, result.user, result.reason, unauthenticated(detail, "invalid_token"));
    }
    const missing = missingScopes(required, result.identity.principal);
    if (missing.length === 0) {
      c.set("identity", result.identity);
      return undefined;
    }
    const failure = problem("forbidden", {
      detail: `The credentials lack the scope ${missing.join(", ")}.`,
      headers: challenge("insufficient_scope", required.scopes.join(" ")),
    });
    return fail(c, result.identity.principal.id, "insufficient_scope", failure);
  };

  return createMiddleware<{ Variables: Variables }>(function auth(c, next) {
    c.set("identity", ANONYMOUS_IDENTITY);
    const isPublic = c.get("route").route.policy.auth === "public";
    if (isPublic && c.req.header(DEBUG_FIELD) === undefined) return next();
    const token = bearerToken(c.req.header("authorization") ?? null);
    if (token === undefined) {
      if (isPublic) return next();
      const accepted = tokens === undefined ? "an API key" : "an API key or a token";
      const failure = unauthenticated(`Send ${accepted} as Authorization: Bearer.`);
      return Promise.resolve(fail(c, ANONYMOUS, "missing", failure));
    }
    const result = check(token, c);
    if (!(result instanceof Promise)) {
      const rejected = accept(c, token, result);
      return rejected === undefined ? next() : Promise.resolve(rejected);
    }
    return result.then(async (checked) => accept(c, token, checked) ?? (await next()));
  });
};
