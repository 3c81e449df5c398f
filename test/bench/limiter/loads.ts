/** Every contestant under every load, taking turns. */
import { seededRandom } from "../../resilience/concurrency-limit/support/random.ts";
import { median, percentile } from "../support/statistics.ts";
import { turnOrder } from "../support/turn-order.ts";
import { type Account, accountOf, exactlyAdmitted } from "./account.ts";
import type { Contestant, Said } from "./contestant.ts";
import type { Told } from "./drive.ts";
import type { LoadCell } from "./load-cells.ts";
import { mostAboveRefill } from "./ours.ts";
import type { Plan } from "./plan.ts";
import { runStretch, type Stretch, type Surroundings } from "./stretch.ts";

/** Of all turns together: sums and maxima; of times the medians of the turns. */
export interface LoadResult {
  readonly cell: LoadCell;
  readonly contestant: Contestant;
  readonly tripsPerRequest: number;
  readonly commandsPerRequest: number;
  readonly p50Ms: number;
  readonly p99Ms: number;
  /** By how much requests were sent late, which is in the times above: the machine's doing, and this process's. */
  readonly lateP99Ms: number;
  /** From when they were sent. */
  readonly sentP99Ms: number;
  readonly waits: number;
  readonly requests: number;
  /** The most of any window of the rule's length. */
  readonly mostInWindow: number;
  /** What the contestant promises of it. */
  readonly promised: number;
  /** Of Breakwater: the most beyond what came back, of any window at all, over what it promises of that. */
  readonly aboveVsBound: number | undefined;
  readonly admitted: number;
  readonly exactlyAdmitted: number;
  readonly refused: number;
  readonly falselyRefused: number;
  /** Verdicts that neither the store nor what it had granted has made. */
  readonly withoutStore: number;
  readonly allRequests: number;
}

interface Turn {
  readonly stretch: Stretch;
  readonly account: Account;
  readonly exactlyAdmitted: number;
}

const runTurn = async (
  cell: LoadCell,
  contestant: Contestant,
  plan: Plan,
  turn: number,
  surroundings: Surroundings,
): Promise<Turn> => {
  const { rule, tripMs, isolates, beforeEdgeMs, lengthMs } = cell;
  const warmMs = lengthMs === undefined ? (contestant.isOurs ? plan.warmMs : plan.othersWarmMs) : 0;
  const untilMs = lengthMs ?? warmMs + plan.measureMs;
  // The same for everybody.
  const arrivals = cell.arrivals(untilMs, seededRandom(1 + turn));
  const stretch = await runStretch(
    {
      contestant,
      rule,
      tripMs,
      isolates,
      arrivals,
      warmMs,
      untilMs,
      ...(beforeEdgeMs === undefined ? {} : { beforeEdgeMs }),
      ...(cell.moments === undefined ? {} : { moments: cell.moments(untilMs) }),
    },
    surroundings,
  );
  return {
    stretch,
    account: accountOf(stretch.told, contestant, rule),
    exactlyAdmitted: exactlyAdmitted(arrivals, rule),
  };
};

const OF_STORE: ReadonlySet<Said["mode"]> = new Set(["store", "lease", "remembered"]);

const addedMs = ({ decidedMs, arrival }: Told): number => decidedMs - arrival.dueMs;
const lateMs = ({ calledMs, arrival }: Told): number => calledMs - arrival.dueMs;

const resultOf = (cell: LoadCell, contestant: Contestant, turns: readonly Turn[]): LoadResult => {
  const sum = (of: (turn: Turn) => number): number => turns.reduce((all, turn) => all + of(turn), 0);
  const most = (of: (turn: Turn) => number): number => Math.max(...turns.map(of));
  const middle = (percent: number, of: (told: Told) => number): number =>
    median(turns.map(({ stretch }) => percentile(stretch.measured.map(of), percent)));
  const hasWaited = ({ mode, calledMs, decidedMs }: Told): boolean =>
    (contestant.isOurs && mode === "store") || decidedMs - calledMs >= cell.tripMs / 2;
  const requests = sum(({ stretch }) => stretch.measured.length);
  const above = most(({ account }) => account.mostAboveRefill);
  return {
    cell,
    contestant,
    tripsPerRequest: sum(({ stretch }) => stretch.trips) / requests,
    commandsPerRequest: sum(({ stretch }) => stretch.commands) / requests,
    p50Ms: middle(50, addedMs),
    p99Ms: middle(99, addedMs),
    lateP99Ms: middle(99, lateMs),
    sentP99Ms: middle(99, ({ decidedMs, calledMs }) => decidedMs - calledMs),
    waits: sum(({ stretch }) => stretch.measured.filter(hasWaited).length),
    requests,
    mostInWindow: most(({ account }) => account.mostInWindow),
    promised: contestant.promised(cell.rule),
    aboveVsBound: contestant.isOurs ? above / mostAboveRefill(cell.rule) : undefined,
    admitted: sum(({ account }) => account.admitted),
    exactlyAdmitted: sum((turn) => turn.exactlyAdmitted),
    refused: sum(({ stretch }) => stretch.told.filter(({ isAdmitted }) => !isAdmitted).length),
    falselyRefused: sum(({ account }) => account.falselyRefused),
    withoutStore: sum(({ stretch }) => stretch.told.filter(({ mode }) => !OF_STORE.has(mode)).length),
    allRequests: sum(({ account }) => account.requests),
  };
};

export const measureLoad = async (
  cell: LoadCell,
  contestants: readonly Contestant[],
  plan: Plan,
  surroundings: Surroundings,
): Promise<LoadResult[]> => {
  const turns = new Map<Contestant, Turn[]>(contestants.map((contestant) => [contestant, []]));
  for (let turn = 0; turn < plan.turns; turn += 1)
    for (const contestant of turnOrder(contestants, turn))
      turns.get(contestant)?.push(await runTurn(cell, contestant, plan, turn, surroundings));
  return contestants.map((contestant) => resultOf(cell, contestant, turns.get(contestant) ?? []));
};
