/** The principal of a request with its scopes, and the outcome of a credentials check. */
import type { Auth } from "../../contract/policy.ts";
import type { JsonObject } from "../../lib/json-object.ts";
import type { AuthFailureReason } from "../../security-events/event.ts";
import type { ContextVariables, VariableReader } from "../context/index.ts";
import type { RouteVariables } from "../route-policy/index.ts";

export interface Principal {
  readonly id: string;
  readonly scopes: readonly string[];
}

export type Identity =
  | { readonly auth: "none" }
  | { readonly auth: "api-key" | "jwt"; readonly principal: Principal };

export const ANONYMOUS_IDENTITY: Identity = { auth: "none" };

/** Undefined for an anonymous client. */
export const principalOf = (identity: Identity): Principal | undefined =>
  identity.auth === "none" ? undefined : identity.principal;

/** The scopes that a route requires and the principal lacks. */
export const missingScopes = (auth: Auth, principal: Principal): string[] =>
  auth === "public" ? [] : auth.scopes.filter((scope) => !principal.scopes.includes(scope));

/** RFC 6749 §3.3, `scope-token`: no space, quote or backslash. */
const SCOPE_TOKEN = /^[\x21\x23-\x5b\x5d-\x7e]+$/;
const MAX_SCOPES = 64;

export const isScope = (value: unknown): value is string =>
  typeof value === "string" && SCOPE_TOKEN.test(value);

/**
 * The first 64 distinct scopes of a token's `scope` (RFC 9068 §2.2.3), or of `scp`, which other issuers use. Invalid ones
 * are skipped.
 */
export const readScopes = ({ scope, scp }: JsonObject): string[] => {
  const value = scope ?? scp;
  const listed: readonly unknown[] =
    typeof value === "string" ? value.split(" ") : Array.isArray(value) ? value : [];
  return [...new Set(listed.filter(isScope))].slice(0, MAX_SCOPES);
};

export type AuthResult =
  | { readonly kind: "proven"; readonly identity: Exclude<Identity, { auth: "none" }> }
  | {
      readonly kind: "refused";
      readonly reason: AuthFailureReason;
      /** Identity that the client claims, unverified. */
      readonly user: string;
    }
  /** The credentials cannot be checked now. */
  | { readonly kind: "unavailable" }
  /** They are not checked: the client's address has presented too many wrong ones. */
  | { readonly kind: "limited"; readonly waitMs: number };

/** The request whose credentials are checked. */
export type AuthContext = VariableReader<ContextVariables & Pick<RouteVariables, "deadlineAtMs">>;

/** Synchronous if a recent result is cached. */
export type CheckCredentials = (token: string, c: AuthContext) => AuthResult | Promise<AuthResult>;

/**
 * Checks credentials of one form.
 *
 * @param mayVerify asked before they are verified, with whether they were valid lately; if not, the result is
 *   `unavailable`. @default they are verified
 */
export type VerifyCredentials = (
  token: string,
  c: AuthContext,
  mayVerify?: (wasValid: boolean) => boolean,
) => AuthResult | Promise<AuthResult>;

export const ANONYMOUS = "anonymous";

export const UNAVAILABLE: AuthResult = { kind: "unavailable" };
export const MALFORMED: AuthResult = { kind: "refused", reason: "malformed", user: ANONYMOUS };

export const provenPrincipal = (result: AuthResult | undefined): Principal | undefined =>
  result?.kind === "proven" ? result.identity.principal : undefined;
