/**
 * Work that belongs to no request, at a time of its own. The platform lets nothing run that belongs to none: so one request
 * waits for it, in its background, as long as the platform lets it; then another one goes on.
 */
import type { Exchange } from "../core/guards/exchange.ts";
import { pause } from "./pause.ts";

type InBackground = Exchange["inBackground"];

export interface RoundsDependencies {
  /** When there is something to do, epoch milliseconds; undefined where there is nothing. */
  readonly nextAtMs: () => number | undefined;
  /** Does it. What it throws ends the rounds of this request. */
  readonly round: (inBackground: InBackground) => Promise<void>;
  /** There is so much between two rounds at least, and before the first, milliseconds. */
  readonly atLeastMs: number;
  /** Epoch milliseconds. */
  readonly now: () => number;
}

/** Below the half minute for which the platform lets work go on behind an answer. */
const RUN_MS = 25_000;

/** @returns to be called with every request: has what there is done where nobody does so any more */
export const createRounds = ({
  nextAtMs,
  round,
  atLeastMs,
  now,
}: RoundsDependencies): ((inBackground: InBackground) => void) => {
  /** Until when somebody is under way; whoever is ended by the platform says no more. */
  let busyUntilMs = Number.NEGATIVE_INFINITY;

  const run = async (untilMs: number, inBackground: InBackground): Promise<void> => {
    try {
      for (;;) {
        const dueAtMs = nextAtMs();
        if (dueAtMs === undefined) return;
        const waitMs = Math.max(atLeastMs, dueAtMs - now());
        if (now() + waitMs > untilMs) return;
        await pause(waitMs);
        await round(inBackground);
      }
    } finally {
      if (busyUntilMs === untilMs) busyUntilMs = Number.NEGATIVE_INFINITY;
    }
  };

  return (inBackground) => {
    const nowMs = now();
    if (nowMs < busyUntilMs || nextAtMs() === undefined) return;
    busyUntilMs = nowMs + RUN_MS;
    inBackground(run(busyUntilMs, inBackground));
  };
};
