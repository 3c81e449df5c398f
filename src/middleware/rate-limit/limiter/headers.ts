/** What a client is told of its limits: the fields of draft-ietf-httpapi-ratelimit-headers-11, and Retry-After. */
import { costOf } from "../../../contract/policy.ts";
import type { BucketRule } from "./bucket.ts";
import { type LimitResult, type LimitVerdict, refuses } from "./verdict.ts";

/** The whole seconds in which an empty bucket is full again, at least one (§3.1.3). */
const windowS = ({ capacity, refillPerSecond }: BucketRule): number =>
  Math.max(1, Math.ceil(capacity / refillPerSecond));

const secondsOf = (ms: number): number => Math.max(1, Math.ceil(ms / 1000));

/** Of a bucket that is refilled all the time: until it is full, or, where there is too little, until there is enough. */
const effectiveWindowS = (result: LimitResult, remaining: number): number => {
  const { limit, rule, outcome, waitMs } = result;
  if (outcome === "limited") return secondsOf(waitMs);
  const lacking =
    remaining < costOf(limit) ? costOf(limit) - result.remaining : rule.capacity - result.remaining;
  return Math.max(0, Math.ceil(lacking / rule.refillPerSecond));
};

const policy = ({ limit, rule }: LimitResult): string =>
  `"${limit.name}";q=${Math.floor(rule.capacity)};w=${windowS(rule)}`;

const service = (result: LimitResult): string => {
  const { limit, rule } = result;
  const remaining = Math.max(0, Math.min(Math.floor(result.remaining), Math.floor(rule.capacity)));
  return `"${limit.name}";r=${remaining};t=${effectiveWindowS(result, remaining)}`;
};

/** Of limits in a dry run nothing is told, nor of those that nobody can speak for. */
const isTold = ({ limit, mode }: LimitResult): boolean =>
  limit.dryRun !== true && mode !== "open" && mode !== "closed";

/** The fields for an answer; none where there is nothing to tell. */
export const rateLimitFields = ({ results }: LimitVerdict): Record<string, string> => {
  const told = results.filter(isTold);
  if (told.length === 0) return {};
  return {
    "ratelimit-policy": told.map(policy).join(", "),
    ratelimit: told.map(service).join(", "),
  };
};

/**
 * What of the verdict refuses the request: the limits' names, and in how many seconds another try makes sense. Undefined
 * where it is admitted.
 */
export const refusalOf = ({
  isAdmitted,
  results,
}: LimitVerdict):
  | { readonly isUnavailable: boolean; readonly limits: readonly string[]; readonly retryAfterS: number }
  | undefined => {
  if (isAdmitted) return undefined;
  const refusing = results.filter(refuses);
  const limited = refusing.filter(({ outcome }) => outcome === "limited");
  const told = limited.length > 0 ? limited : refusing;
  return {
    isUnavailable: limited.length === 0,
    limits: told.map(({ limit }) => limit.name),
    retryAfterS: secondsOf(Math.max(...told.map(({ waitMs }) => waitMs))),
  };
};
