/** Who a request comes from, and what they may do. */
import type { Auth } from "../../contract/policy.ts";

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
