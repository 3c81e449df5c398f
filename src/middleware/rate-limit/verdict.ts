/** What the limiter decides about a request. */
import type { Limit } from "../../contract/policy.ts";
import type { BucketRule } from "./token-bucket.ts";

/** The source of a decision. */
export type LimitMode =
  /** Tokens that the isolate had. */
  | "lease"
  /** The store, called for this request. */
  | "store"
  /** An earlier denial by the store that has not expired. */
  | "remembered"
  /** The isolate's own bucket: the store does not answer. */
  | "local"
  /** The store does not answer, and this limit then admits everything. */
  | "open"
  /** The store does not answer, and this limit then admits nothing. */
  | "closed";

export interface LimitResult {
  readonly limit: Limit;
  readonly mode: LimitMode;
  /** `limited`: too few tokens. `unavailable`: the limit cannot be checked. */
  readonly outcome: "passed" | "limited" | "unavailable";
  /** The rule in force, which may be an override. */
  readonly rule: BucketRule;
  /** Tokens left, as far as the isolate can tell. */
  readonly remaining: number;
  /** Milliseconds until there are enough tokens; 0 if there are. */
  readonly waitMs: number;
}

export interface LimitVerdict {
  readonly isAdmitted: boolean;
  /** In the order of the route's limits. */
  readonly results: readonly LimitResult[];
}

/** Whether the limit rejects the request; in a dry run it never does. */
export const rejects = ({ outcome, limit }: Pick<LimitResult, "outcome" | "limit">): boolean =>
  outcome !== "passed" && limit.dryRun !== true;
