/** The RateLimit fields (draft-ietf-httpapi-ratelimit-headers-11), and what a rejection reports. */
import { costOf } from "../../contract/policy.ts";
import { type LimitResult, type LimitVerdict, rejects } from "./verdict.ts";

const secondsOf = (ms: number): number => Math.max(1, Math.ceil(ms / 1000));

/** The window is the time in which an empty bucket refills, at least one second (§3.1.3). */
const policyItem = ({ limit, rule }: LimitResult): string => {
  const windowS = Math.max(1, Math.ceil(rule.capacity / rule.refillPerSecond));
  return `"${limit.name}";q=${Math.floor(rule.capacity)};w=${windowS}`;
};

/** Seconds until the bucket is full, or, if it has too few tokens for a request, until it has enough. */
const effectiveWindowS = (result: LimitResult, shownRemaining: number): number => {
  const { limit, rule, outcome, waitMs, remaining } = result;
  if (outcome === "limited") return secondsOf(waitMs);
  const target = shownRemaining < costOf(limit) ? costOf(limit) : rule.capacity;
  return Math.max(0, Math.ceil((target - remaining) / rule.refillPerSecond));
};

const limitItem = (result: LimitResult): string => {
  const { limit, rule, remaining } = result;
  const shown = Math.max(0, Math.min(Math.floor(remaining), Math.floor(rule.capacity)));
  return `"${limit.name}";r=${shown};t=${effectiveWindowS(result, shown)}`;
};

/** Fields for the response. Limits in a dry run, and limits that could not be checked, are left out. */
export const rateLimitFields = ({ results }: LimitVerdict): Record<string, string> => {
  const shown = results.filter(
    ({ limit, mode }) => limit.dryRun !== true && mode !== "open" && mode !== "closed",
  );
  if (shown.length === 0) return {};
  return {
    "ratelimit-policy": shown.map(policyItem).join(", "),
    ratelimit: shown.map(limitItem).join(", "),
  };
};

export interface Rejection {
  /** The limits could not be checked: 503 instead of 429. */
  readonly isUnavailable: boolean;
  /** Names of the limits that reject the request. */
  readonly limits: readonly string[];
  readonly retryAfterS: number;
}

/** @returns undefined if the request is admitted */
export const rejectionOf = ({ isAdmitted, results }: LimitVerdict): Rejection | undefined => {
  if (isAdmitted) return undefined;
  const rejecting = results.filter(rejects);
  const limited = rejecting.filter(({ outcome }) => outcome === "limited");
  const reported = limited.length > 0 ? limited : rejecting;
  return {
    isUnavailable: limited.length === 0,
    limits: reported.map(({ limit }) => limit.name),
    retryAfterS: secondsOf(Math.max(...reported.map(({ waitMs }) => waitMs))),
  };
};
