/** The store that all isolates share. */
import type { BucketRule } from "./token-bucket.ts";

export interface BucketAsk {
  /** Isolates that name the same bucket share it. */
  readonly bucket: string;
  /** Field of the published overrides that may replace the rule; undefined if none can. */
  readonly overrideField: string | undefined;
  readonly rule: BucketRule;
  /** With fewer tokens the request is rejected; 0 if it needs none now. */
  readonly need: number;
  /** Tokens to take if there are plenty: see `inAdvance`. */
  readonly want: number;
  /** Largest share of the available tokens that is granted beyond the need. */
  readonly share: number;
  /** Only counts: a shortage rejects nothing. */
  readonly isDryRun: boolean;
}

export interface BucketReply {
  /** Tokens taken; 0 in every bucket if one of them rejects. */
  readonly granted: number;
  /** Tokens left after that. */
  readonly available: number;
  /** The rule in force, which may be an override. */
  readonly rule: BucketRule;
  /** Milliseconds until the needed tokens are available; 0 if they are. */
  readonly waitMs: number;
}

export interface LimitStore {
  /**
   * Takes tokens from all buckets or from none, in one round trip, by the store's own clock.
   *
   * @returns one reply per bucket, in the same order
   * @throws any error if the store does not answer in time
   */
  take(asks: readonly BucketAsk[]): Promise<readonly BucketReply[]>;
}
