/** The outcome of a credentials check. */
import type { AuthFailureReason } from "../../security-events/event.ts";
import type { ContextVariables, VariableReader } from "../context/index.ts";
import type { RouteVariables } from "../route-policy/index.ts";
import type { Identity, Principal } from "./principal.ts";

export type AuthResult =
  | { readonly kind: "proven"; readonly identity: Exclude<Identity, { auth: "none" }> }
  | {
      readonly kind: "refused";
      readonly reason: AuthFailureReason;
      /** Identity that the client claims, unverified. */
      readonly user: string;
    }
  /** The credentials cannot be checked now. */
  | { readonly kind: "unavailable" };

/** The request whose credentials are checked. */
export type AuthContext = VariableReader<ContextVariables & RouteVariables>;

/** Synchronous if a recent result is cached. */
export type CheckCredentials = (token: string, c: AuthContext) => AuthResult | Promise<AuthResult>;

export const ANONYMOUS = "anonymous";

export const UNAVAILABLE: AuthResult = { kind: "unavailable" };
export const MALFORMED: AuthResult = { kind: "refused", reason: "malformed", user: ANONYMOUS };

export const provenPrincipal = (result: AuthResult | undefined): Principal | undefined =>
  result?.kind === "proven" ? result.identity.principal : undefined;
