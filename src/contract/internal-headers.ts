/**
 * Header fields between edge and origin. The edge never forwards a client's own fields of these names, and
 * the origin believes them only under the edge's signature.
 */
export const tierHeaders = {
  /** The request's id, made by the edge: a UUID. It is on every answer too. */
  requestId: "x-request-id",
  /** The client's address as the edge saw it. */
  clientAddress: "breakwater-client-address",
  /** The id of the authenticated principal, percent-encoded; absent for anonymous requests. */
  principal: "breakwater-principal",
  /** What the guards decided: see `core/security/verdict.ts`. */
  verdict: "breakwater-verdict",
  /** Milliseconds that were left of the request's deadline when it was sent. */
  timeoutMs: "breakwater-timeout-ms",
  /** Which attempt at the request this is, from 1: nothing behind the edge has to try again for it. */
  attempt: "breakwater-attempt",
  /**
   * The span of this attempt, where the request's trace is kept: 16 hexadecimal digits. Its trace is named by the request's
   * id. Not `traceparent`, which whatever stands between the tiers may write anew.
   */
  parentSpan: "breakwater-parent-span",
  /** The answer's RateLimit field: whoever makes the answer writes it for less than who would have to copy the answer. */
  rateLimit: "breakwater-ratelimit",
  /** Its RateLimit-Policy field. */
  rateLimitPolicy: "breakwater-ratelimit-policy",
  /** On an answer: `?1` where nothing was done for the request, signed (see `core/signature/not-executed.ts`). */
  notExecuted: "breakwater-not-executed",
  /** On an answer: which tags a write has made old, see `core/cache/tags.ts`. */
  invalidated: "breakwater-invalidated",
  /** On the blocklist, of which version it is. */
  blocklistVersion: "breakwater-blocklist-version",
} as const;

/** Under this path the edge speaks to the origin for itself. It is no part of the contract, and signed too. */
export const EDGE_PATH = "/_edge";
