/** An open load: each request goes when it is due, whatever became of those before. */
import { setTimeout as pause, setImmediate as turn } from "node:timers/promises";
import type { Arrival } from "./arrivals.ts";
import type { Said } from "./contestant.ts";

/** Times are milliseconds since the first one could be due. */
export interface Told extends Said {
  readonly arrival: Arrival;
  readonly calledMs: number;
  readonly decidedMs: number;
}

/** Something else that happens on the way. */
export interface Moment {
  readonly atMs: number;
  readonly run: () => unknown;
}

export interface Drive {
  readonly arrivals: readonly Arrival[];
  readonly ask: (arrival: Arrival) => Promise<Said>;
  readonly moments?: readonly Moment[];
  readonly untilMs: number;
  readonly signal: AbortSignal;
}

/** Nearer than this a timer is too coarse. */
const NEAR_MS = 2;
/** Longer than the slowest verdict of any contestant. */
const LAST_VERDICTS_MS = 7_000;

/** @returns what was said, in the order in which it was */
export const drive = async ({
  arrivals,
  ask,
  moments = [],
  untilMs,
  signal,
}: Drive): Promise<readonly Told[]> => {
  const told: Told[] = [];
  const asked: Promise<void>[] = [];
  const startMs = performance.now();
  const since = (): number => performance.now() - startMs;

  const untilDue = async (atMs: number): Promise<void> => {
    for (let leftMs = atMs - since(); leftMs > 0; leftMs = atMs - since()) {
      if (leftMs > NEAR_MS) await pause(leftMs - NEAR_MS, undefined, { signal });
      else await turn();
    }
  };
  const send = (arrival: Arrival): void => {
    const calledMs = since();
    const note = (said: Said): void => void told.push({ ...said, arrival, calledMs, decidedMs: since() });
    asked.push(ask(arrival).then(note, () => note({ isAdmitted: false, mode: "error" })));
  };

  const events: Moment[] = [
    ...arrivals.map((arrival) => ({ atMs: arrival.dueMs, run: () => send(arrival) })),
    ...moments,
    { atMs: untilMs, run: () => undefined },
  ].sort((a, b) => a.atMs - b.atMs);
  for (const { atMs, run } of events) {
    signal.throwIfAborted();
    await untilDue(atMs);
    run();
  }
  const ending = new AbortController();
  const late = pause(LAST_VERDICTS_MS, undefined, { signal: AbortSignal.any([signal, ending.signal]) }).then(
    () => Promise.reject(new Error(`verdicts have not come within ${LAST_VERDICTS_MS} ms`)),
  );
  late.catch(() => undefined);
  await Promise.race([Promise.all(asked), late]);
  ending.abort();
  return told;
};
