/** The figures of the run by their names, and the goals set for them. */
import type { Cell } from "./cells.ts";
import { type IsolateCell, p99Ratio } from "./isolate-cells.ts";

/** Figures come from our cell of a plan's entry, where the run has it. */
const OURS: Readonly<Record<string, readonly [entry: string, column: string]>> = {
  slow_p99_ms: ["slow", "p99 ms"],
  fast503_errors: ["fast503", "errors"],
  fast503_p99_ms: ["fast503", "p99 ms"],
  fast503_share_after_2s: ["fast503", "its share after 2 s"],
  hole_p99_ms: ["hole", "p99 ms"],
  hole_errors: ["hole", "errors"],
  midbody_errors: ["midbody", "errors"],
  post_errors: ["posts", "errors without a key"],
  post_duplicates: ["posts", "sent twice without a key"],
  keyed_post_errors: ["posts", "errors with a key"],
  outage_attempts_per_request: ["outage", "attempts a request"],
  outage_back_ms: ["outage", "back after ms"],
  outage_surge: ["outage", "surge ÷ normal"],
  outage_surge_when_calm: ["outage", "the same when calm"],
  outage503_attempts_per_request: ["outage503", "attempts a request"],
  outage503_back_ms: ["outage503", "back after ms"],
  outage503_surge: ["outage503", "surge ÷ normal"],
  recover_errors: ["recover", "errors"],
  recovered_share_after_15s: ["recover", "of its fair share after 15 s"],
  recovered_half_share_after_ms: ["recover", "half of it after ms"],
  recovered503_share_after_15s: ["recover503", "of its fair share after 15 s"],
  recovered_slow_share_after_15s: ["recoverSlow", "of its fair share after 15 s"],
};

/** JSON knows no infinity. */
const finite = (value: number): number => (Number.isFinite(value) ? value : Number.MAX_SAFE_INTEGER);

const rounded = (value: number): number => Math.round(finite(value) * 1_000) / 1_000;

export const figuresOf = (
  cells: readonly Cell[],
  isolateCells: readonly IsolateCell[],
): Readonly<Record<string, number>> => {
  const figures: Record<string, number> = {};
  for (const [name, [entry, column]] of Object.entries(OURS)) {
    const cell = cells.find((each) => each.entry === entry && each.contestant.isOurs);
    const value = cell?.values[column];
    if (value !== undefined) figures[name] = rounded(value);
  }
  const others = cells.filter(({ entry, contestant }) => entry === "slow" && !contestant.isOurs);
  const best = Math.min(...others.map(({ values }) => values["p99 ms"] ?? Number.POSITIVE_INFINITY));
  return {
    ...figures,
    best_opponent_slow_p99_ms: rounded(best),
    least_idle_percent: rounded(
      Math.min(
        ...cells.filter(({ contestant }) => contestant.isOurs).map(({ values }) => values["idle %"] ?? 0),
      ),
    ),
    isolates_400_p99_vs_1: rounded(p99Ratio(isolateCells, "breakwater")),
  };
};

interface Goal {
  readonly figure: string;
  readonly text: string;
  readonly isMet: (value: number, figures: Readonly<Record<string, number>>) => boolean;
}

const atMost = (figure: string, most: number): Goal => ({
  figure,
  text: most === 0 ? "= 0" : `≤ ${most}`,
  isMet: (value) => value <= most,
});
const atLeast = (figure: string, least: number): Goal => ({
  figure,
  text: `≥ ${least}`,
  isMet: (value) => value >= least,
});

const GOALS: readonly Goal[] = [
  {
    figure: "slow_p99_ms",
    text: "≤ best opponent's / 10",
    isMet: (value, { best_opponent_slow_p99_ms: best = 0 }) => value <= best / 10,
  },
  atMost("fast503_errors", 0),
  atMost("fast503_share_after_2s", 0.03),
  atMost("hole_errors", 0),
  atMost("midbody_errors", 0),
  atMost("post_duplicates", 0),
  atMost("outage_attempts_per_request", 1.2),
  atMost("outage_back_ms", 5_000),
  atMost("outage_surge", 1.5),
  atMost("outage503_attempts_per_request", 1.2),
  atMost("outage503_back_ms", 5_000),
  atMost("outage503_surge", 1.5),
  atLeast("recovered_share_after_15s", 0.5),
  atLeast("recovered503_share_after_15s", 0.5),
  atLeast("recovered_slow_share_after_15s", 0.5),
  atMost("isolates_400_p99_vs_1", 1.5),
];

/** One row for every figure of the run that there is a goal for. */
export const goalRows = (figures: Readonly<Record<string, number>>): string[][] =>
  GOALS.flatMap(({ figure, text, isMet }) => {
    const value = figures[figure];
    return value === undefined
      ? []
      : [[figure, String(value), text, isMet(value, figures) ? "met" : "MISSED"]];
  });
