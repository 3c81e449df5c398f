/** `npm run bench breaker`: the cost of a call with this breaker, cockatiel's and opossum's, in one process. */
import type { Bench } from "../support/bench.ts";
import { goalTable, rounded } from "../support/comparison.ts";
import { installPeers } from "../support/install-peers.ts";
import { median } from "../support/statistics.ts";
import { textTable } from "../support/table.ts";
import { turnOrder } from "../support/turn-order.ts";
import { type Cell, type CellName, createCells } from "./cells.ts";

const ROUNDS = 31;
const QUICK_ROUNDS = 9;

type Costs = ReadonlyMap<string, number>;

const nsPerCall = async (work: Cell["contestants"][number]["work"], calls: number): Promise<number> => {
  const fromMs = performance.now();
  await work(calls);
  return ((performance.now() - fromMs) * 1e6) / calls;
};

/** The medians of rounds in which each contestant has a turn, in changing order. */
const measure = async ({ contestants, calls }: Cell, rounds: number, signal: AbortSignal): Promise<Costs> => {
  const costs = new Map<string, number[]>(contestants.map(({ name }) => [name, []]));
  // The first turn is for the compiler.
  for (const { work } of contestants) await work(calls);
  for (let round = 0; round < rounds; round += 1) {
    for (const { name, work } of turnOrder(contestants, round)) {
      signal.throwIfAborted();
      costs.get(name)?.push(await nsPerCall(work, calls));
    }
  }
  return new Map([...costs].map(([name, each]) => [name, median(each)]));
};

const GOALS = {
  closed_vs_cockatiel: { atMost: 1 },
  permit_reject_vs_cockatiel: { atMost: 0.1 },
  call_reject_vs_cockatiel: { atMost: 0.33 },
  stack_vs_cockatiel: { atMost: 0.33 },
  failure_cost_50k_vs_100: { atMost: 1.5 },
};

const OURS = "Breakwater";
const COUNT = "cockatiel count";

const cellTable = ({ title }: Cell, costs: Costs): string => {
  const own = costs.get(OURS) ?? Number.NaN;
  const rows = [...costs].map(([name, ns]) => [name, ns.toFixed(0), (own / ns).toFixed(2)]);
  return `${title}\n${textTable(["", "ns a call", "Breakwater ÷ it"], rows)}`;
};

export const benchBreaker: Bench = async (options) => {
  const { isQuick, signal, onProgress } = options;
  await installPeers(options);
  const cells = await createCells(await import("../peers/breakers.mjs"));
  const results = new Map<CellName, Costs>();
  const names = Object.keys(cells).filter((name): name is CellName => name in cells);
  for (const name of names) {
    onProgress(cells[name].title);
    results.set(name, await measure(cells[name], isQuick ? QUICK_ROUNDS : ROUNDS, signal));
  }
  const cost = (cell: CellName, contestant: string): number =>
    results.get(cell)?.get(contestant) ?? Number.NaN;
  const figures = {
    closed_vs_cockatiel: rounded(cost("closed", OURS) / cost("closed", COUNT)),
    permit_reject_vs_cockatiel: rounded(cost("rejected_permit", OURS) / cost("rejected_call", COUNT)),
    call_reject_vs_cockatiel: rounded(cost("rejected_call", OURS) / cost("rejected_call", COUNT)),
    stack_vs_cockatiel: rounded(cost("stack", OURS) / cost("stack", "cockatiel")),
    failure_cost_50k_vs_100: rounded(cost("failure_many", OURS) / cost("failure_few", OURS)),
  };
  const report = [
    ...names.map((name) => cellTable(cells[name], results.get(name) ?? new Map())),
    goalTable(figures, GOALS),
  ].join("\n\n");
  return { figures, report };
};
