/**
 * Work that belongs to no request, at a time of its own. The platform lets nothing run that belongs to none: so one request
 * waits for it, in its background, as long as the platform lets it; then another one goes on.
 */
import type { Exchange } from "../middleware/exchange.ts";
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

/** For so long the platform lets work go on behind an answer: whoever has said no more by then was ended. */
const PLATFORM_MS = 30_000;
/** No round begins later: the last one takes no more than the rest, milliseconds. */
const RUN_MS = 24_000;

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
        if (dueAtMs === undefined || Math.max(now() + atLeastMs, dueAtMs) > untilMs) return;
        // Something else may be due sooner by then.
        await pause(atLeastMs);
        if ((nextAtMs() ?? Number.POSITIVE_INFINITY) <= now()) await round(inBackground);
      }
    } finally {
      if (busyUntilMs === untilMs - RUN_MS + PLATFORM_MS) busyUntilMs = Number.NEGATIVE_INFINITY;
    }
  };

  return (inBackground) => {
    const nowMs = now();
    // A clock that was set back makes nobody busy for longer.
    const isBusy = nowMs < busyUntilMs && busyUntilMs - nowMs <= PLATFORM_MS;
    if (isBusy || nextAtMs() === undefined) return;
    busyUntilMs = nowMs + PLATFORM_MS;
    inBackground(run(nowMs + RUN_MS, inBackground));
  };
};
