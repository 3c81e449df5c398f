/** Who is asking, and what they may do. */
import type { Auth } from "../../contract/policy.ts";

export interface Principal {
  readonly id: string;
  readonly scopes: readonly string[];
}

/** The scopes that a route needs and the principal lacks. */
export const missingScopes = (auth: Auth, principal: Principal): string[] =>
  auth === "public" ? [] : auth.scopes.filter((scope) => !principal.scopes.includes(scope));
