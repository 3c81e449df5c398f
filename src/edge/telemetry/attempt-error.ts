import type { AttemptRecord } from "../upstream/attempt.ts";

/** Outcomes of an attempt that its answer's status says more of. */
const ANSWERED: readonly AttemptRecord["outcome"][] = ["answered", "refused"];

/**
 * An attempt's `error.type` (OpenTelemetry, "HTTP semantic conventions", client); undefined where nothing was wrong: whoever
 * lost a hedge has done nothing wrong.
 */
export const attemptError = (
  outcome: AttemptRecord["outcome"],
  status: number | undefined,
): string | undefined => {
  if (outcome === "hedge_lost") return undefined;
  if (!ANSWERED.includes(outcome)) return outcome;
  return status !== undefined && status >= 400 ? String(status) : undefined;
};
