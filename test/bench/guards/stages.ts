/** How far a request goes: each stage is the edge with everything up to and including the part that it is named after. */

/** All handlers of `src/middleware/guards.ts`, in their order. */
export const GUARDS = [
  "blocklist",
  "screening",
  "routePolicy",
  "auth",
  "deprecation",
  "rateLimit",
  "bodyLimit",
] as const;

/** The stages of a request that is not cached, in their order; each adds something to the one before. */
export const CHAIN = ["bare", "context", ...GUARDS, "signature", "origin"] as const;

/**
 * `bare`: a Hono application that responds at once. `context`: what precedes the guards. `signature`: the request to the
 * origin is signed, and not sent. `origin`: it is sent. `miss` and `hit`: the response cache is asked first.
 */
export type Stage = (typeof CHAIN)[number] | "miss" | "hit";

/** The header field that selects a request's stage. */
export const STAGE_FIELD = "bench-stage";
