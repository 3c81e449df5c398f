/** What is shown of the loads: a table a group. */
import type { Group } from "./load-cells.ts";
import type { LoadResult } from "./loads.ts";
import { type Column, markedTable } from "./marked-table.ts";

type LoadColumn = Column<LoadResult>;

const trips: LoadColumn = {
  title: "trips/req",
  of: (row) => row.tripsPerRequest,
  digits: 3,
  better: "less",
};
const commands: LoadColumn = {
  title: "cmds/req",
  of: (row) => row.commandsPerRequest,
  digits: 3,
  better: "less",
};
const p50: LoadColumn = { title: "p50 ms", of: (row) => row.p50Ms, digits: 1, better: "less" };
const p99: LoadColumn = { title: "p99 ms", of: (row) => row.p99Ms, digits: 1, better: "less" };
const late: LoadColumn = { title: "sent late", of: (row) => row.lateP99Ms, digits: 1 };
const sentP99: LoadColumn = { title: "p99 sent", of: (row) => row.sentP99Ms, digits: 1, better: "less" };
const waits: LoadColumn = {
  title: "waited %",
  of: ({ waits: waited, requests }) => (100 * waited) / requests,
  better: "less",
};
const admitted: LoadColumn = { title: "admitted", of: (row) => row.admitted, digits: 0 };
const exact: LoadColumn = { title: "exact", of: (row) => row.exactlyAdmitted, digits: 0 };
/** Above 1 it admits more than it should, below less. */
const vsExact: LoadColumn = { title: "÷ exact", of: (row) => row.admitted / row.exactlyAdmitted };
const most: LoadColumn = { title: "most in w", of: (row) => row.mostInWindow, digits: 0, better: "less" };
const tokens: LoadColumn = { title: "N", of: ({ cell }) => cell.rule.tokens, digits: 0 };
const vsTokens: LoadColumn = {
  title: "÷ N",
  of: ({ mostInWindow, cell }) => mostInWindow / cell.rule.tokens,
  better: "less",
};
const promised: LoadColumn = { title: "promise", of: (row) => row.promised, digits: 0, better: "less" };
const vsPromise: LoadColumn = {
  title: "÷ promise",
  of: (row) => row.mostInWindow / row.promised,
  better: "less",
};
const above: LoadColumn = { title: "burst ÷ bound", of: (row) => row.aboveVsBound };
const refused: LoadColumn = { title: "refused %", of: (row) => (100 * row.refused) / row.allRequests };
const falsely: LoadColumn = {
  title: "falsely %",
  of: (row) => (100 * row.falselyRefused) / row.allRequests,
  better: "less",
};

const bound = [tokens, most, vsTokens, promised, vsPromise, above];

const TABLES: Readonly<Record<Group, { readonly title: string; readonly columns: readonly LoadColumn[] }>> = {
  hot: {
    title: "one hot key at 80 %",
    columns: [trips, commands, p50, p99, late, sentP99, waits, falsely],
  },
  over: {
    title: "one hot key at 200 %",
    columns: [trips, commands, p50, p99, late, sentP99, waits, admitted, vsExact, vsPromise, above, falsely],
  },
  zipf: {
    title: "Zipf, 200 keys, 16 isolates",
    columns: [trips, commands, p50, p99, refused, falsely, vsExact, vsPromise, above],
  },
  edge: { title: "N before the edge, N after", columns: [...bound, admitted, exact, vsExact] },
  weighted: { title: "costs of 1 to 5, at 200 %", columns: [...bound, vsExact, falsely] },
  dying: { title: "16 isolates, 500 ms each, 200 %", columns: [trips, ...bound, vsExact, falsely] },
};

export const loadTable = (group: Group, results: readonly LoadResult[]): string => {
  const { title, columns } = TABLES[group];
  const rows = results
    .filter(({ cell }) => cell.group === group)
    .map((row) => ({
      title: `${row.cell.title} ${row.contestant.title}`.trim(),
      isOurs: row.contestant.isOurs,
      set: row.cell.title,
      row,
    }));
  return markedTable(title, columns, rows);
};
