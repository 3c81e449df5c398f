/** The delay of callers by a hanging store, and the time until it is used again. */
import type { Contestant } from "./contestant.ts";
import { type Decision, drive, type Surroundings } from "./drive.ts";
import type { Arrival } from "./load-cells.ts";
import { type Column, type Row, resultTable } from "./table.ts";

export interface HangResult extends Row {
  /** The longest wait for a decision. */
  readonly longestMs: number;
  /** Requests during the hang that waited for longer than a round trip. */
  readonly waited: number;
  /** Their mean wait. */
  readonly meanMs: number;
  readonly requests: number;
  /** From the store's return to its first decision; undefined without one. */
  readonly backMs: number | undefined;
}

const RULE = { tokens: 500, windowMs: 1_000 };
const TRIP_MS = 40;
const EVERY_MS = 5;
const WARM_MS = 1_000;
/** Breakwater's breaker is open for up to a second, and then probes. */
const OURS_AFTER_MS = 1_500;
const OTHERS_AFTER_MS = 500;

const evenly = (untilMs: number): Arrival[] =>
  Array.from({ length: Math.floor(untilMs / EVERY_MS) }, (_, index) => ({
    dueMs: index * EVERY_MS,
    key: "hot",
    isolate: 0,
  }));

const tookMs = ({ calledMs, decidedMs }: Decision): number => decidedMs - calledMs;

export const measureHang = async (
  contestant: Contestant,
  hangMs: number,
  surroundings: Surroundings,
): Promise<HangResult> => {
  const backAtMs = WARM_MS + hangMs;
  const untilMs = backAtMs + (contestant.isOurs ? OURS_AFTER_MS : OTHERS_AFTER_MS);
  const { decisions } = await drive(
    {
      contestant,
      rule: RULE,
      tripMs: TRIP_MS,
      isolates: 1,
      arrivals: evenly(untilMs),
      warmMs: 0,
      untilMs,
      onStoreFailure: "local",
      moments: (front) => [
        { atMs: WARM_MS, run: () => front.hang() },
        { atMs: backAtMs, run: () => front.recover() },
        // The longest wait, up to 5 s, has been measured by then.
        { atMs: untilMs, run: () => front.release() },
      ],
    },
    surroundings,
  );
  const hung = decisions.filter(({ calledMs }) => calledMs >= WARM_MS && calledMs < backAtMs);
  const back = decisions.find(
    ({ calledMs, mode }) => calledMs >= backAtMs && (mode === "store" || mode === "lease"),
  );
  return {
    contestant,
    title: "",
    longestMs: Math.max(0, ...decisions.map(tookMs)),
    waited: hung.filter((each) => tookMs(each) > TRIP_MS).length,
    meanMs: hung.reduce((sum, each) => sum + tookMs(each), 0) / hung.length,
    requests: hung.length,
    backMs: back && back.decidedMs - backAtMs,
  };
};

const columns: readonly Column<HangResult>[] = [
  { title: "longest wait ms", of: (row) => row.longestMs, digits: 0 },
  { title: "waited", of: (row) => row.waited, digits: 0 },
  { title: "mean ms", of: (row) => row.meanMs, digits: 0 },
  { title: "of", of: (row) => row.requests, digits: 0 },
  { title: "back after ms", of: (row) => row.backMs, digits: 0 },
];

export const hangTable = (results: readonly HangResult[], hangMs: number): string =>
  resultTable(`the store hangs for ${(hangMs / 1_000).toFixed(1)} s`, columns, results);
