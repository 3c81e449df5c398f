/** A limit as both sides have it. */
import type { BucketRule } from "../../../src/middleware/rate-limit/token-bucket.ts";

/** So many tokens in each so many milliseconds. */
export interface Rule {
  readonly tokens: number;
  readonly windowMs: number;
}

/** The bucket that holds them all, and gets them all back within the window. */
export const bucketOf = ({ tokens, windowMs }: Rule): BucketRule => ({
  capacity: tokens,
  refillPerSecond: (tokens * 1_000) / windowMs,
});
