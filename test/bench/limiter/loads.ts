/** Every contestant under every load, taking turns, and the tables of the results. */
import { seededRandom } from "../../resilience/concurrency-limit/support/random.ts";
import { median, percentile } from "../support/statistics.ts";
import { turnOrder } from "../support/turn-order.ts";
import { type Account, accountOf, exactlyAdmitted } from "./account.ts";
import type { Contestant } from "./contestant.ts";
import { type Decision, type Driven, drive, type Moment, type Stage, type Surroundings } from "./drive.ts";
import { arrivalsOf, type Group, type LoadCell, type Plan } from "./load-cells.ts";
import { mostAboveRefill } from "./ours.ts";
import { type Column, markedTable, type Row } from "./table.ts";

/** Of all turns: sums and maxima; of times the medians of the turns. */
export interface LoadResult extends Row, Account {
  readonly cell: LoadCell;
  readonly tripsPerRequest: number;
  readonly commandsPerRequest: number;
  /** From when a request was due to its decision. */
  readonly p50Ms: number;
  readonly p99Ms: number;
  /** How late requests were made, by the machine and this process; included above. */
  readonly lateP99Ms: number;
  /** From when a request was made. */
  readonly sentP99Ms: number;
  /** Measured requests that waited for the store, and their share. */
  readonly waits: number;
  readonly waitedShare: number;
  /** What the contestant promises for any window of the rule's length. */
  readonly promised: number;
  /** Breakwater's most tokens beyond the refill in any window, divided by what it promises. */
  readonly aboveVsBound: number | undefined;
  readonly exactlyAdmitted: number;
  readonly refused: number;
}

interface Turn extends Driven {
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
  const { rule, tripMs, isolates, beforeEdgeMs, lengthMs, lifeMs = Number.POSITIVE_INFINITY } = cell;
  const warmMs = lengthMs === undefined ? (contestant.isOurs ? plan.warmMs : plan.othersWarmMs) : 0;
  const untilMs = lengthMs ?? warmMs + plan.measureMs;
  // The same for all contestants.
  const arrivals = arrivalsOf(cell, untilMs, seededRandom(1 + turn));
  /** Isolates die one after another, each once within a life. */
  const deaths = ({ replace }: Stage): Moment[] =>
    Array.from({ length: Math.floor((untilMs / lifeMs) * isolates) }, (_, index) => ({
      atMs: ((index + 1) * lifeMs) / isolates,
      run: () => replace(index % isolates),
    }));
  const driven = await drive(
    { contestant, rule, tripMs, isolates, arrivals, warmMs, untilMs, beforeEdgeMs, moments: deaths },
    surroundings,
  );
  return {
    ...driven,
    account: accountOf(driven.decisions, contestant, rule),
    exactlyAdmitted: exactlyAdmitted(arrivals, rule),
  };
};

const resultOf = (cell: LoadCell, contestant: Contestant, turns: readonly Turn[]): LoadResult => {
  const sum = (of: (turn: Turn) => number): number => turns.reduce((all, turn) => all + of(turn), 0);
  const most = (of: (turn: Turn) => number): number => Math.max(...turns.map(of));
  const middle = (percent: number, of: (decision: Decision) => number): number =>
    median(turns.map(({ measured }) => percentile(measured.map(of), percent)));
  const hasWaited = ({ mode, calledMs, decidedMs }: Decision): boolean =>
    (contestant.isOurs && mode === "store") || decidedMs - calledMs >= cell.tripMs / 2;
  const measured = sum((turn) => turn.measured.length);
  const waits = sum((turn) => turn.measured.filter(hasWaited).length);
  const above = most(({ account }) => account.mostAboveRefill);
  return {
    cell,
    contestant,
    title: cell.title,
    tripsPerRequest: sum(({ trips }) => trips) / measured,
    commandsPerRequest: sum(({ commands }) => commands) / measured,
    p50Ms: middle(50, ({ decidedMs, arrival }) => decidedMs - arrival.dueMs),
    p99Ms: middle(99, ({ decidedMs, arrival }) => decidedMs - arrival.dueMs),
    lateP99Ms: middle(99, ({ calledMs, arrival }) => calledMs - arrival.dueMs),
    sentP99Ms: middle(99, ({ decidedMs, calledMs }) => decidedMs - calledMs),
    waits,
    waitedShare: waits / measured,
    mostInWindow: most(({ account }) => account.mostInWindow),
    mostAboveRefill: above,
    promised: contestant.promised(cell.rule),
    aboveVsBound: contestant.isOurs ? above / mostAboveRefill(cell.rule) : undefined,
    admitted: sum(({ account }) => account.admitted),
    exactlyAdmitted: sum((turn) => turn.exactlyAdmitted),
    refused: sum(({ decisions }) => decisions.filter(({ isAdmitted }) => !isAdmitted).length),
    falselyRefused: sum(({ account }) => account.falselyRefused),
    requests: sum(({ account }) => account.requests),
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

type LoadColumn = Column<LoadResult>;

const less = (title: string, of: LoadColumn["of"], digits = 2): LoadColumn => ({
  title,
  of,
  digits,
  isLessBetter: true,
});

const trips = less("trips/req", (row) => row.tripsPerRequest, 3);
const latency: readonly LoadColumn[] = [
  trips,
  less("cmds/req", (row) => row.commandsPerRequest, 3),
  less("p50 ms", (row) => row.p50Ms, 1),
  less("p99 ms", (row) => row.p99Ms, 1),
  { title: "sent late", of: (row) => row.lateP99Ms, digits: 1 },
  less("p99 sent", (row) => row.sentP99Ms, 1),
  less("waited %", (row) => 100 * row.waitedShare),
];
const admitted: LoadColumn = { title: "admitted", of: (row) => row.admitted, digits: 0 };
const vsExact: LoadColumn = { title: "÷ exact", of: (row) => row.admitted / row.exactlyAdmitted };
const vsPromise = less("÷ promise", (row) => row.mostInWindow / row.promised);
const above: LoadColumn = { title: "burst ÷ bound", of: (row) => row.aboveVsBound };
const refused: LoadColumn = { title: "refused %", of: (row) => (100 * row.refused) / row.requests };
const falsely = less("falsely %", (row) => (100 * row.falselyRefused) / row.requests);
const bound: readonly LoadColumn[] = [
  { title: "N", of: ({ cell }) => cell.rule.tokens, digits: 0 },
  less("most in w", (row) => row.mostInWindow, 0),
  less("÷ N", ({ mostInWindow, cell }) => mostInWindow / cell.rule.tokens),
  less("promise", (row) => row.promised, 0),
  vsPromise,
  above,
];

const TABLES: Readonly<Record<Group, { readonly title: string; readonly columns: readonly LoadColumn[] }>> = {
  hot: { title: "one hot key at 80 %", columns: [...latency, falsely] },
  over: {
    title: "one hot key at 200 %",
    columns: [...latency, admitted, vsExact, vsPromise, above, falsely],
  },
  zipf: {
    title: "Zipf, 200 keys, 16 isolates",
    columns: [...latency, refused, falsely, vsExact, vsPromise, above],
  },
  edge: { title: "N before the edge, N after", columns: [...bound, admitted, vsExact] },
  weighted: { title: "costs of 1 to 5, at 200 %", columns: [...bound, vsExact, falsely] },
  dying: { title: "16 isolates, 500 ms each, 200 %", columns: [trips, ...bound, vsExact, falsely] },
};

export const loadTables = (results: readonly LoadResult[]): string[] =>
  Object.entries(TABLES).map(([group, { title, columns }]) =>
    markedTable(
      title,
      columns,
      results.filter(({ cell }) => cell.group === group),
    ),
  );
