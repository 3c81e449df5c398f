/** What a store that hangs does to those who ask, and how soon it is used again. */
import type { Arrival } from "./arrivals.ts";
import type { Contestant } from "./contestant.ts";
import type { Told } from "./drive.ts";
import { type Column, markedTable } from "./marked-table.ts";
import type { Plan } from "./plan.ts";
import { runStretch, type Surroundings } from "./stretch.ts";

export interface HangResult {
  readonly contestant: Contestant;
  /** For a verdict, from when the request was made. */
  readonly longestMs: number;
  /** Of those that were made while the breaker was open; undefined where there were none. */
  readonly longestGivenUpMs: number | undefined;
  /** Of the requests made while it hung, how many waited for more than a round trip. */
  readonly waited: number;
  /** And for how long on the average, all of them. */
  readonly meanMs: number;
  readonly requests: number;
  /** From its return to the first verdict that the store has made; undefined where none came. */
  readonly backMs: number | undefined;
}

const RULE = { tokens: 500, windowMs: 1_000 };
const TRIP_MS = 40;
const EVERY_MS = 5;
const WARM_MS = 1_000;
/** Breakwater's breaker is open for up to a second, and then asks. */
const OURS_AFTER_MS = 1_500;
const OTHERS_AFTER_MS = 500;

const evenly = (untilMs: number): Arrival[] =>
  Array.from({ length: Math.floor(untilMs / EVERY_MS) }, (_, index) => ({
    dueMs: index * EVERY_MS,
    key: "hot",
    isolate: 0,
    cost: 1,
  }));

const tookMs = ({ calledMs, decidedMs }: Told): number => decidedMs - calledMs;

/** What makes the store's verdicts, or takes its tokens. */
const ofStore = ({ mode }: Told): boolean => mode === "store" || mode === "lease";

const longest = (told: readonly Told[]): number => Math.max(0, ...told.map(tookMs));

export const measureHang = async (
  contestant: Contestant,
  { hangMs }: Plan,
  surroundings: Surroundings,
): Promise<HangResult> => {
  const fromMs = WARM_MS;
  const backAtMs = fromMs + hangMs;
  const untilMs = backAtMs + (contestant.isOurs ? OURS_AFTER_MS : OTHERS_AFTER_MS);
  const arrivals = evenly(untilMs);
  const { told } = await runStretch(
    {
      contestant,
      rule: RULE,
      tripMs: TRIP_MS,
      isolates: 1,
      arrivals,
      warmMs: 0,
      untilMs,
      onStoreFailure: "local",
      moments: ({ front }) => [
        { atMs: fromMs, run: () => front.hang() },
        { atMs: backAtMs, run: () => front.recover() },
        // Who waits still at the end would for up to 5 s: that has been seen by then.
        { atMs: untilMs, run: () => front.release() },
      ],
    },
    surroundings,
  );
  const hung = told.filter(({ calledMs }) => calledMs >= fromMs && calledMs < backAtMs);
  const back = told.find((each) => each.calledMs >= backAtMs && ofStore(each));
  const whileGivenUp = told.filter(({ isStoreGivenUp }) => isStoreGivenUp === true);
  return {
    contestant,
    longestMs: longest(told),
    longestGivenUpMs: whileGivenUp.length === 0 ? undefined : longest(whileGivenUp),
    waited: hung.filter((each) => tookMs(each) > TRIP_MS).length,
    meanMs: hung.reduce((sum, each) => sum + tookMs(each), 0) / hung.length,
    requests: hung.length,
    backMs: back && back.decidedMs - backAtMs,
  };
};

const columns: readonly Column<HangResult>[] = [
  { title: "longest wait ms", of: (row) => row.longestMs, digits: 0, better: "less" },
  { title: "breaker open ms", of: (row) => row.longestGivenUpMs, digits: 1 },
  { title: "waited", of: (row) => row.waited, digits: 0, better: "less" },
  { title: "mean ms", of: (row) => row.meanMs, digits: 0, better: "less" },
  { title: "of", of: (row) => row.requests, digits: 0 },
  { title: "back after ms", of: (row) => row.backMs, digits: 0, better: "less" },
];

export const hangTable = (results: readonly HangResult[], { hangMs }: Plan): string =>
  markedTable(
    `the store hangs for ${(hangMs / 1_000).toFixed(1)} s`,
    columns,
    results.map((row) => ({ title: row.contestant.title, isOurs: row.contestant.isOurs, set: "", row })),
  );
