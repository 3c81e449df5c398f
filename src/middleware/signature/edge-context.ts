/**
 * The edge's context of a request in one header field for the origin: a dictionary of structured fields (RFC
 * 9651 §3.2) such as `client="192.0.2.1", auth=api-key, principal="alice", scopes="orders:read",
 * timeout-ms=9900, attempt=1`.
 */
import { type Identity, isScope } from "../auth/principal.ts";
import type { Client } from "../context/client.ts";

export interface EdgeContext {
  /** The client's address in canonical form, or `UNKNOWN_CLIENT`. */
  readonly client: string;
  readonly identity: Identity;
  /** Time left until the request's deadline, milliseconds. */
  readonly timeoutMs: number;
  /** Number of the attempt, from 1. */
  readonly attempt: number;
  /** The edge's span of this attempt, 16 hexadecimal digits; undefined if the request is not sampled. */
  readonly parentSpanId: string | undefined;
}

/**
 * Omits invalid scopes (RFC 6749 §3.3), which could break the field's syntax.
 *
 * @throws URIError for a principal id that is not well-formed Unicode
 */
export const writeEdgeContext = (context: EdgeContext): string => {
  const { client, identity, timeoutMs, attempt, parentSpanId } = context;
  let field = `client="${client}", auth=${identity.auth}`;
  if (identity.auth !== "none") {
    const { id, scopes } = identity.principal;
    field += `, principal="${encodeURIComponent(id)}", scopes="${scopes.filter(isScope).join(" ")}"`;
  }
  field += `, timeout-ms=${timeoutMs}, attempt=${attempt}`;
  return parentSpanId === undefined ? field : `${field}, span="${parentSpanId}"`;
};

/** One member: a key, then a string without escapes, a token or an integer. */
const MEMBER = /([a-z*][a-z0-9_.*-]*)=(?:"([^"\\]*)"|([A-Za-z0-9*][A-Za-z0-9_.:*-]*))(?:, |$)/y;
const INTEGER = /^\d{1,9}$/;
const SPAN_ID = /^(?!0{16})[0-9a-f]{16}$/;

/** Undefined if a member is malformed or repeated. */
const readMembers = (field: string): Map<string, string> | undefined => {
  const members = new Map<string, string>();
  MEMBER.lastIndex = 0;
  for (let at = 0; at < field.length; at = MEMBER.lastIndex) {
    const [, key = "", text, token] = MEMBER.exec(field) ?? [];
    const value = text ?? token;
    if (value === undefined || members.has(key)) return undefined;
    members.set(key, value);
  }
  return field.endsWith(", ") ? undefined : members;
};

/** Not empty, and in the only valid encoding. */
const readPrincipalId = (text: string): string | undefined => {
  try {
    const id = decodeURIComponent(text);
    return id !== "" && encodeURIComponent(id) === text ? id : undefined;
  } catch {
    return undefined;
  }
};

const readIdentity = (members: ReadonlyMap<string, string>): Identity | undefined => {
  const auth = members.get("auth");
  const principal = members.get("principal");
  const list = members.get("scopes");
  if (auth === "none") return principal === undefined && list === undefined ? { auth } : undefined;
  if ((auth !== "api-key" && auth !== "jwt") || principal === undefined || list === undefined)
    return undefined;
  const id = readPrincipalId(principal);
  const scopes = list === "" ? [] : list.split(" ");
  return id !== undefined && scopes.every(isScope) ? { auth, principal: { id, scopes } } : undefined;
};

export interface ReceivedContext extends Omit<EdgeContext, "client"> {
  readonly client: Client;
}

/**
 * Undefined unless the field has every required member. Unknown members, of a newer edge, are ignored.
 *
 * @param identify parses an address
 */
export const readEdgeContext = (
  field: string,
  identify: (address: string) => Client,
): ReceivedContext | undefined => {
  const members = readMembers(field);
  if (members === undefined) return undefined;
  const client = identify(members.get("client") ?? "");
  const identity = readIdentity(members);
  const timeoutMs = members.get("timeout-ms") ?? "";
  const attempt = members.get("attempt") ?? "";
  const parentSpanId = members.get("span");
  if (identity === undefined || client.name !== members.get("client")) return undefined;
  if (!INTEGER.test(timeoutMs) || !INTEGER.test(attempt) || attempt === "0") return undefined;
  if (parentSpanId !== undefined && !SPAN_ID.test(parentSpanId)) return undefined;
  return { client, identity, timeoutMs: Number(timeoutMs), attempt: Number(attempt), parentSpanId };
};
