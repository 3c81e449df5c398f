/** Header fields between the tiers. The edge drops those of clients; the origin requires a signature. */
export const internalHeaders = {
  /** The request's id, a UUID from the edge; also on every response. */
  requestId: "x-request-id",
  /** See `middleware/signature/edge-context.ts`. */
  context: "breakwater-context",
  /** On a response: `?1` if the request was not executed (see `middleware/signature/not-executed.ts`). */
  notExecuted: "breakwater-not-executed",
  /** On a 503: `?1` if only the route is busy (`maxConcurrent`), not the origin. */
  routeBusy: "breakwater-route-busy",
  /** On a response: tags that the write invalidates (see `middleware/response-cache/invalidations.ts`). */
  invalidated: "breakwater-invalidated",
  /** On the blocklist's response: its version. */
  blocklistVersion: "breakwater-blocklist-version",
} as const;

/** Path prefix of the edge's own requests to the origin, which are signed and not part of the contract. */
export const EDGE_PATH = "/_edge";
