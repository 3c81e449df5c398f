/** The form of a JWT in its compact serialization (RFC 7519 §3, RFC 7515 §7.1), and its header. */
import { decodeProtectedHeader } from "jose/decode/protected_header";

/** A longer one is none that we would have to take. */
export const MOST_TOKEN_LENGTH = 8 * 1024;

// The signature may be missing: such a token says that it is not signed, and is refused for that.
const FORM = /^[\w-]+\.[\w-]+\.[\w-]*$/;

/**
 * As every encoder writes it, with no bit set that stands for nothing (RFC 4648 §3.5): else one signature could be
 * written in several ways.
 */
const CANONICAL = /^(?:[\w-]{4})*(?:[\w-][AQgw]|[\w-]{2}[AEIMQUYcgkosw048])?$/;

/** Whether the text can only be a token: told without reading it. An API key never has a dot. */
export const looksLikeToken = (text: string): boolean => FORM.test(text);

export interface TokenHeader {
  readonly alg: unknown;
  readonly kid: string | undefined;
  /** Whether the rest of it is what an access token's may be. */
  readonly isSound: boolean;
}

/** An access token (RFC 9068 §2.1), or a JWT that does not say for what it is. */
const TYPES = ["jwt", "at+jwt", "application/jwt", "application/at+jwt"];

const isTokenType = (typ: unknown): boolean =>
  typ === undefined || (typeof typ === "string" && TYPES.includes(typ.toLowerCase()));

/**
 * Undefined where the text is no token. What a header says of keys beside the name of one (`jwk`, `jku`, `x5u`, `x5c`)
 * is not looked at: its sender has chosen it.
 */
export const readTokenHeader = (token: string): TokenHeader | undefined => {
  if (token.length > MOST_TOKEN_LENGTH || !looksLikeToken(token)) return undefined;
  if (!token.split(".").every((part) => CANONICAL.test(part))) return undefined;
  try {
    const { alg, kid, typ, crit, b64 } = decodeProtectedHeader(token);
    const isSound =
      // No extension is known here, so none that is critical can be kept to (RFC 7515 §4.1.11).
      crit === undefined &&
      // A JWT's payload is always encoded (RFC 7797 §7).
      (b64 === undefined || b64 === true) &&
      isTokenType(typ) &&
      (kid === undefined || typeof kid === "string");
    return { alg, kid: typeof kid === "string" ? kid : undefined, isSound };
  } catch {
    return undefined;
  }
};
