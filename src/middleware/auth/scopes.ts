/** The scopes that a token gives: `scope` as RFC 9068 §2.2.3 has it, or `scp`, as other issuers have it. */
import type { JsonObject } from "../../lib/json-object.ts";

/** RFC 6749 §3.3, `scope-token`: no space, quote or backslash. */
const SCOPE_TOKEN = /^[\x21\x23-\x5b\x5d-\x7e]+$/;
const MAX_SCOPES = 64;

export const isScope = (value: unknown): value is string =>
  typeof value === "string" && SCOPE_TOKEN.test(value);

const listed = (value: unknown): readonly unknown[] => {
  if (typeof value === "string") return value.split(" ");
  return Array.isArray(value) ? value : [];
};

/** Each once. What is no scope is left out, as is what is beyond the first 64. */
export const readScopes = ({ scope, scp }: JsonObject): string[] =>
  [...new Set(listed(scope ?? scp).filter(isScope))].slice(0, MAX_SCOPES);
