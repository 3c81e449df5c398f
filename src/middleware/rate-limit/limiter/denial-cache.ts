/** What the store has said of a bucket that had too few tokens: nobody has to ask it again for a while. */
import type { BucketRule } from "./bucket.ts";

export interface Refusal {
  /** For as many as this, or more, there were too few. */
  readonly tokens: number;
  /** Until then, as it was. */
  readonly untilMs: number;
  /** From then on it is asked again all the same: another rule may be in force by now. */
  readonly askAtMs: number;
  readonly rule: BucketRule;
}

/** In how many milliseconds there will be as many; 0 where it does not say so. */
export const refusedForMs = (
  { tokens: refused, untilMs, askAtMs, rule }: Refusal,
  tokens: number,
  nowMs: number,
): number => {
  if (tokens < refused || nowMs >= Math.min(untilMs, askAtMs)) return 0;
  return untilMs - nowMs + Math.ceil(((tokens - refused) / rule.refillPerSecond) * 1000);
};
