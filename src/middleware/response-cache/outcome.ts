/** What became of a request at a cache, for telemetry: a closed set. */
import type { CacheStatus } from "./cache-status.ts";

export const CACHE_OUTCOMES = ["hit", "stale", "miss", "stale_on_error", "failed"] as const;
export type CacheOutcome = (typeof CACHE_OUTCOMES)[number];

export const outcomeOf = ({ hit, detail }: CacheStatus): CacheOutcome => {
  if (detail === "stale-if-error") return "stale_on_error";
  if (detail === "stale-while-revalidate") return "stale";
  return hit === true ? "hit" : "miss";
};
