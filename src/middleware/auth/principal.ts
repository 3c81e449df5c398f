/** The principal of a request, and its scopes. */
import type { Auth } from "../../contract/policy.ts";
import type { JsonObject } from "../../lib/json-object.ts";

export interface Principal {
  readonly id: string;
  readonly scopes: readonly string[];
}

/** How the client was identified. */
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
