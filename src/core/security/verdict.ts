/** What the guards decided about a request, as the header field that the origin reads. */
import type { Principal } from "./principal.ts";

/** How the client was identified. */
export type Verdict = { readonly auth: "none" } | { readonly auth: "api-key"; readonly principal: Principal };

export interface VerdictFields {
  readonly verdict: string;
  /** Absent for an anonymous client. */
  readonly principal?: string;
}

export const writeVerdict = (verdict: Verdict): VerdictFields =>
  verdict.auth === "none"
    ? { verdict: "auth=none" }
    : {
        verdict: `auth=api-key, scopes="${verdict.principal.scopes.join(" ")}"`,
        principal: encodeURIComponent(verdict.principal.id),
      };

/** Undefined where the fields are not what `writeVerdict` writes. */
export const readVerdict = (verdict: string, principal: string | null | undefined): Verdict | undefined => {
  if (verdict === "auth=none") return principal ? undefined : { auth: "none" };
  const scopes = /^auth=api-key, scopes="([^"]*)"$/.exec(verdict)?.[1];
  const id = principal ? decoded(principal) : undefined;
  if (scopes === undefined || id === undefined) return undefined;
  return { auth: "api-key", principal: { id, scopes: scopes === "" ? [] : scopes.split(" ") } };
};

const decoded = (text: string): string | undefined => {
  try {
    return decodeURIComponent(text);
  } catch {
    return undefined;
  }
};
