/** What of a request between edge and origin is signed, on both sides in the same way. */
import { internalHeaders } from "../../contract/internal-headers.ts";
import type { Component } from "./signature-base.ts";

/** Signature and Signature-Input name the signature by this label (RFC 9421 §4). */
export const LABEL = "edge";
/** What the signature is for, so that one made for something else is never taken (RFC 9421 §2.3, `tag`). */
export const TAG = "breakwater";
/** How long a signature lives, seconds. */
export const LIFETIME_S = 30;

export interface SignedTarget {
  readonly method: string;
  /** The origin's host and port as in its Host field: it names the origin that the request is for. */
  readonly authority: string;
  readonly path: string;
  /** With its leading `?`; empty where there is none. */
  readonly query: string;
}

/** Header fields that are covered whenever the request has them. */
export const COVERED_FIELDS = [
  "cache-control",
  "content-digest",
  "content-type",
  "idempotency-key",
  "if-match",
  "if-none-match",
  internalHeaders.requestId,
  internalHeaders.context,
] as const;

/**
 * The same with what the contract's handlers read beside them.
 *
 * @param declared names of header fields, in lower case
 */
export const coveredFieldsWith = (declared: Iterable<string>): readonly string[] => [
  ...new Set<string>([...COVERED_FIELDS, ...declared]),
];

/** Header fields without which no request is taken. */
export const REQUIRED_FIELDS = [internalHeaders.requestId, internalHeaders.context] as const;

/** What the request is for; every signature covers it, in this order. */
export const targetComponents = (target: SignedTarget): Component[] => [
  ["@method", target.method],
  ["@authority", target.authority],
  ["@path", target.path],
  // An absent query counts as an empty one (RFC 9421 §2.2.7).
  ["@query", target.query === "" ? "?" : target.query],
];

/**
 * All that the signature covers, in the order in which it is covered.
 *
 * @param names header fields that are covered where the request has them
 */
export const coveredComponents = (
  target: SignedTarget,
  field: (name: string) => string | null | undefined,
  names: readonly string[] = COVERED_FIELDS,
): Component[] => {
  const components = targetComponents(target);
  for (const name of names) {
    const value = field(name);
    if (value !== null && value !== undefined) components.push([name, value.trim()]);
  }
  return components;
};
