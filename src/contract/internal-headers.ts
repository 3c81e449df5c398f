/**
 * Header fields between edge and origin. The edge never forwards a client's own fields with these names, and the origin
 * trusts them only under the edge's signature.
 */
export const internalHeaders = {
  /** The request's id, a UUID made by the edge. Every response carries it too. */
  requestId: "x-request-id",
  /** What the edge knows about the request: see `middleware/signature/edge-context.ts`. */
  context: "breakwater-context",
  /** On a response: `?1` if nothing was done for the request, signed (see `middleware/signature/not-executed.ts`). */
  notExecuted: "breakwater-not-executed",
  /** On a response: the tags that a write invalidated, see `middleware/response-cache/tags.ts`. */
  invalidated: "breakwater-invalidated",
  /** On the blocklist: its version. */
  blocklistVersion: "breakwater-blocklist-version",
} as const;

/** The edge's own requests to the origin have this path prefix. They are signed, and not part of the contract. */
export const EDGE_PATH = "/_edge";
