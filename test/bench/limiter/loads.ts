/** Every contestant under every load, taking turns, and the tables of the results. */
import { seededRandom } from "../../resilience/concurrency-limit/support/random.ts";
import { median, percentile } from "../support/statistics.ts";
import { turnOrder } from "../support/turn-order.ts";
import { type Account, accountOf } from "./account.ts";
import type { Contestant } from "./contestant.ts";
import { type Decision, type Driven, drive, type Surroundings } from "./drive.ts";
import { arrivalsOf, type Group, type LoadCell, type Plan } from "./load-cells.ts";
import { mostAboveRefill } from "./ours.ts";
import { type Column, type Row, resultTable } from "./table.ts";

/** The sums and maxima of all turns, and the medians of their times. */
export interface LoadResult extends Row, Account {
  readonly cell: LoadCell;
  readonly tripsPerRequest: number;
  readonly commandsPerRequest: number;
  /** From when a request was due to its decision. */
  readonly p50Ms: number;
  readonly p99Ms: number;
  /** How late requests were made, by the machine and this process; included above. */
  readonly lateP99Ms: number;
  /** Measured requests that waited for the store, and their share. */
  readonly waits: number;
  readonly waitedShare: number;
  /** The contestant's bound for any window of the rule's length. */
  readonly promised: number;
  /** Breakwater's most tokens beyond the refill in any window, divided by its promise. */
  readonly aboveVsBound: number | undefined;
  readonly refused: number;
}

interface Turn extends Driven {
  readonly account: Account;
}

const runTurn = async (
  cell: LoadCell,
  contestant: Contestant,
  plan: Plan,
  turn: number,
  surroundings: Surroundings,
): Promise<Turn> => {
  const { rule, tripMs, isolates, lengthMs } = cell;
  const warmMs = lengthMs === undefined ? (contestant.isOurs ? plan.warmMs : plan.othersWarmMs) : 0;
  const untilMs = lengthMs ?? warmMs + plan.measureMs;
  // The same for all contestants.
  const arrivals = arrivalsOf(cell, untilMs, seededRandom(1 + turn));
  const plain = { contestant, rule, tripMs, isolates, arrivals, warmMs, untilMs };
  const driven = await drive(plain, surroundings);
  return { ...driven, account: accountOf(driven.decisions, contestant, rule) };
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
    waits,
    waitedShare: waits / measured,
    mostInWindow: most(({ account }) => account.mostInWindow),
    mostAboveRefill: above,
    promised: contestant.promised(cell.rule),
    aboveVsBound: contestant.isOurs ? above / mostAboveRefill(cell.rule) : undefined,
    admitted: sum(({ account }) => account.admitted),
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

/** Upstash's "Pay as You Go" on 2026-11-09 (https://upstash.com/pricing/redis), which counts commands within scripts. */
export const DOLLARS_PER_MILLION_COMMANDS = 2;

const latency: readonly LoadColumn[] = [
  { title: "trips/req", of: (row) => row.tripsPerRequest, digits: 3 },
  { title: "cmds/req", of: (row) => row.commandsPerRequest, digits: 3 },
  { title: "$/million req", of: (row) => DOLLARS_PER_MILLION_COMMANDS * row.commandsPerRequest },
  { title: "p50 ms", of: (row) => row.p50Ms, digits: 1 },
  { title: "p99 ms", of: (row) => row.p99Ms, digits: 1 },
  { title: "sent late", of: (row) => row.lateP99Ms, digits: 1 },
  { title: "waited %", of: (row) => 100 * row.waitedShare },
];
const falsely: LoadColumn = {
  title: "falsely %",
  of: (row) => (100 * row.falselyRefused) / row.requests,
};
const admissions: readonly LoadColumn[] = [
  { title: "admitted", of: (row) => row.admitted, digits: 0 },
  { title: "refused %", of: (row) => (100 * row.refused) / row.requests },
  falsely,
  { title: "÷ promise", of: (row) => row.mostInWindow / row.promised },
  { title: "burst ÷ bound", of: (row) => row.aboveVsBound },
];

const TABLES: Readonly<Record<Group, readonly [title: string, ...columns: LoadColumn[]]>> = {
  hot: ["one hot key at 80 %", ...latency, falsely],
  over: ["one hot key at 200 %", ...latency, ...admissions],
  zipf: ["Zipf, 200 keys, 16 isolates", ...latency, ...admissions],
};

export const loadTables = (results: readonly LoadResult[]): string[] =>
  Object.entries(TABLES).map(([group, [title, ...columns]]) =>
    resultTable(
      title,
      columns,
      results.filter(({ cell }) => cell.group === group),
    ),
  );
