/** What the credentials of a request are worth. */

import type { AuthFailureReason } from "../../security-events/event.ts";
import type { Exchange } from "../exchange.ts";
import type { Identity, Principal } from "./principal.ts";

export type Credentials =
  | {
      readonly kind: "proven";
      readonly verdict: Exclude<Identity, { auth: "none" }>;
    }
  | {
      readonly kind: "refused";
      readonly reason: AuthFailureReason;
      /** Whom it claims to be. */
      readonly user: string;
    }
  /** Nobody can say now. */
  | { readonly kind: "unavailable" };

/** At once where it has been found out lately. */
export type CheckCredentials = (text: string, exchange: Exchange) => Credentials | Promise<Credentials>;

export const ANONYMOUS = "anonymous";

export const UNAVAILABLE: Credentials = { kind: "unavailable" };
export const MALFORMED: Credentials = { kind: "refused", reason: "malformed", user: ANONYMOUS };

export const principalOf = (credentials: Credentials | undefined): Principal | undefined =>
  credentials?.kind === "proven" ? credentials.verdict.principal : undefined;
