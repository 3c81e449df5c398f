/** What checking a request's credentials found. */
import type { AuthFailureReason } from "../../security-events/event.ts";
import type { ContextVariables, VariableReader } from "../context/index.ts";
import type { RouteVariables } from "../route-policy/index.ts";
import type { Identity } from "./principal.ts";

export type AuthResult =
  | { readonly kind: "proven"; readonly identity: Exclude<Identity, { auth: "none" }> }
  | {
      readonly kind: "refused";
      readonly reason: AuthFailureReason;
      /** The claimed user. */
      readonly user: string;
    }
  /** Neither Redis, an origin nor the issuer could be reached. */
  | { readonly kind: "unavailable" };

/** The request whose credentials are checked. */
export type AuthContext = VariableReader<ContextVariables & RouteVariables>;

/** Synchronous if the result is cached. */
export type CheckCredentials = (token: string, c: AuthContext) => AuthResult | Promise<AuthResult>;

export const ANONYMOUS = "anonymous";

export const UNAVAILABLE: AuthResult = { kind: "unavailable" };
export const MALFORMED: AuthResult = { kind: "refused", reason: "malformed", user: ANONYMOUS };
