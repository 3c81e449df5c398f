/** What a token is worth. */
import type { Principal } from "../principal.ts";

export type TokenFault =
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
  | "no_subject";

export interface ProvenToken {
  readonly ok: true;
  readonly principal: Principal;
  /** The token's own expiry, epoch milliseconds; the clocks' tolerance is not in it. */
  readonly expiresAtMs: number;
}

export type TokenVerdict =
  | ProvenToken
  | { readonly ok: false; readonly reason: TokenFault }
  /** The issuer's keys have never been had, and cannot be had now: nobody can say. */
  | { readonly ok: "unavailable" };

export const faulty = (reason: TokenFault): { readonly ok: false; readonly reason: TokenFault } => ({
  ok: false,
  reason,
});
