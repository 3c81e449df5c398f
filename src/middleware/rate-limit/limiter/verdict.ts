/** What a limiter says to a request. */
import type { Limit } from "../../../contract/policy.ts";
import type { BucketRule } from "./bucket.ts";

/** What gave the verdict. */
export type LimitMode =
  /** Tokens that the isolate had. */
  | "lease"
  /** The store, asked for this request. */
  | "store"
  /** The store, a moment ago: there are none before a time that is still to come. */
  | "remembered"
  /** A bucket of the isolate's own, as the store does not answer. */
  | "local"
  /** Nothing: the store does not answer, and then this limit lets everything pass. */
  | "open"
  /** Nothing: the store does not answer, and then this limit lets nothing pass. */
  | "closed";

export interface LimitResult {
  readonly limit: Limit;
  readonly mode: LimitMode;
  /** `limited`: there are too few tokens. `unavailable`: nobody can say. */
  readonly outcome: "passed" | "limited" | "unavailable";
  /** The one in force: an override's, where there is one. */
  readonly rule: BucketRule;
  /** Tokens that are left, as far as the isolate knows. */
  readonly remaining: number;
  /** In how many milliseconds there will be enough; 0 where there are. */
  readonly waitMs: number;
}

export interface LimitVerdict {
  readonly isAdmitted: boolean;
  /** In the order of the route's limits. */
  readonly results: readonly LimitResult[];
}

/** Whether the result refuses the request; of a limit in a dry run none does. */
export const refuses = ({ outcome, limit }: LimitResult): boolean =>
  outcome !== "passed" && limit.dryRun !== true;
