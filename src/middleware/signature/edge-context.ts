/** What the guards decided about a request, as the header field that the origin reads. */
import { isScope } from "./jwt/scopes.ts";
import type { Principal } from "./principal.ts";

/** How the client was identified. */
export type Verdict =
  | { readonly auth: "none" }
  | { readonly auth: "api-key"; readonly principal: Principal }
  | { readonly auth: "jwt"; readonly principal: Principal };

export interface VerdictFields {
  readonly verdict: string;
  /** Absent for an anonymous client. */
  readonly principal?: string;
}

/**
 * What is no scope (RFC 6749 §3.3) is left out: it might be read as something else, and no route can ask for it.
 *
 * @throws URIError for a principal whose id is not Unicode
 */
export const writeVerdict = (verdict: Verdict): VerdictFields =>
  verdict.auth === "none"
    ? { verdict: "auth=none" }
    : {
        verdict: `auth=${verdict.auth}, scopes="${verdict.principal.scopes.filter(isScope).join(" ")}"`,
        principal: encodeURIComponent(verdict.principal.id),
      };

const FORM = /^auth=([a-z-]+), scopes="([^"]*)"$/;
const KINDS = ["api-key", "jwt"] as const;

/** Undefined where the fields are not what `writeVerdict` writes. */
export const readVerdict = (verdict: string, principal: string | null | undefined): Verdict | undefined => {
  const text = principal ?? undefined;
  if (verdict === "auth=none") return text === undefined ? { auth: "none" } : undefined;
  const [, said, list] = FORM.exec(verdict) ?? [];
  const auth = KINDS.find((kind) => kind === said);
  const id = text === undefined ? undefined : principalId(text);
  if (auth === undefined || list === undefined || id === undefined) return undefined;
  const scopes = list === "" ? [] : list.split(" ");
  return scopes.every(isScope) ? { auth, principal: { id, scopes } } : undefined;
};

/** Undefined for what is not written so: an id is never empty, and is written in one way. */
const principalId = (text: string): string | undefined => {
  try {
    const id = decodeURIComponent(text);
    return id !== "" && encodeURIComponent(id) === text ? id : undefined;
  } catch {
    return undefined;
  }
};
