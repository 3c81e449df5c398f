/** What a limiter asks of the store that all isolates share, and what it is told: one round trip for all of it. */
import type { BucketRule } from "./bucket.ts";

export interface BucketAsk {
  /** The bucket's name; isolates that name the same one share it. */
  readonly bucket: string;
  /** The field under which the published overrides may have another rule; none where there can be none. */
  readonly overrideField: string | undefined;
  readonly rule: BucketRule;
  /** Without so many tokens the request is refused; 0 where none is needed now. */
  readonly need: number;
  /** As many are wanted, if there are plenty. */
  readonly want: number;
  /** Of what is there more than is needed is granted up to this share: see `inAdvance`. */
  readonly share: number;
  /** It is only counted: that there are too few refuses nothing. */
  readonly isDryRun: boolean;
}

export interface BucketReply {
  /** As many were taken; 0 in every bucket where one refuses. */
  readonly granted: number;
  /** What is left after that. */
  readonly available: number;
  /** The rule in force: the override's, where there is one. */
  readonly rule: BucketRule;
  /** In how many milliseconds there will be as many as are needed; 0 where there are. */
  readonly waitMs: number;
}

export interface LimitStore {
  /**
   * Takes from all of the buckets, or from none: the store's own clock decides.
   *
   * @returns what became of each, in their order
   * @throws any error where the store does not answer, or not in time, which it bounds by itself
   */
  take(asks: readonly BucketAsk[]): Promise<readonly BucketReply[]>;
}
