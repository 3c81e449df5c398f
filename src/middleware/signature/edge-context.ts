/**
 * What the edge knows about a request, as one header field for the origin: a dictionary of structured fields (RFC 9651 §3.2),
 * such as `client="192.0.2.1", auth=api-key, principal="alice", scopes="orders:read", timeout-ms=9900, attempt=1`.
 */
import { type Identity, isScope } from "../auth/principal.ts";
import type { Client } from "../context/client.ts";

export interface EdgeContext {
  /** The client's address in canonical form, or `UNKNOWN_CLIENT`. */
  readonly client: string;
  readonly identity: Identity;
  /** What was left of the request's deadline when it was sent, milliseconds. */
  readonly timeoutMs: number;
  /** Which attempt at the request this is, from 1. */
  readonly attempt: number;
  /** The edge's span of this attempt, 16 hexadecimal digits; undefined if the request is not sampled. */
  readonly parentSpanId: string | undefined;
}

/**
 * Leaves out whatever is not a scope (RFC 6749 §3.3): it could be read as something else, and no route can require it.
 *
 * @throws URIError for a principal whose id is not well-formed Unicode
 */
export const writeEdgeContext = ({
  client,
  identity,
  timeoutMs,
  attempt,
  parentSpanId,
}: EdgeContext): string => {
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

/** An id is never empty, and there is only one way to write it. */
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
 * @param identify parses an address, or remembers it
 * @returns undefined unless the field has every member that this origin needs. Members of a newer edge are ignored.
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
