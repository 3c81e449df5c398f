/** What a token is worth. */
import type { AuthFailureReason } from "../../../security-events/event.ts";
import type { Principal } from "../principal.ts";

/** Some of the reasons that a security event can name. */
type Reported<Reason extends AuthFailureReason> = Reason;

export type TokenFault = Reported<
  | "malformed"
  | "unsupported_algorithm"
  /** No key of the issuer's has its name and fits its algorithm; or it has no name, and several fit. */
  | "unknown_key"
  | "bad_signature"
  | "expired"
  | "not_yet_valid"
  | "wrong_issuer"
  | "wrong_audience"
  | "no_expiry"
  /** There is no `sub` that can be a principal's id. */
  | "no_subject"
>;

export interface ProvenToken {
  readonly kind: "proven";
  readonly principal: Principal;
  /** The token's own expiry, epoch milliseconds; the clocks' tolerance is not in it. */
  readonly expiresAtMs: number;
}

export interface RefusedToken {
  readonly kind: "refused";
  readonly reason: TokenFault;
}

export type TokenVerdict =
  | ProvenToken
  | RefusedToken
  /** The issuer's keys have never been had, and cannot be had now: nobody can say. */
  | { readonly kind: "unavailable" };

export const faulty = (reason: TokenFault): RefusedToken => ({ kind: "refused", reason });
