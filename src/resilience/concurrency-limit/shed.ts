/** What is told of work that is not begun. */
import type { Priority } from "../../contract/policy.ts";

/** In the order in which they get a place. */
export const PRIORITIES: readonly Priority[] = ["write", "read", "background"];

export const SHED_REASONS = [
  /** As many wait as may, and none of them is of a lower priority. */
  "queue_full",
  /** It waited, and somebody of a higher priority came. */
  "displaced",
  /** It has waited as long as anybody may. */
  "waited_too_long",
] as const;
export type ShedReason = (typeof SHED_REASONS)[number];

export interface Shed {
  readonly priority: Priority;
  readonly reason: ShedReason;
  readonly atMs: number;
}
