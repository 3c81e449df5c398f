/** The simulation of isolates, over several seeds: medians. */
import { median } from "../support/statistics.ts";
import { CHOOSERS, type ChooserKind } from "./isolate-chooser.ts";
import { type SimulationResult, simulateIsolates } from "./isolates.ts";

/** What is compared: everything seen by one, and by as many as a place of the platform may have. */
export const ISOLATES = [1, 400] as const;

export interface IsolateCell {
  readonly chooser: ChooserKind;
  readonly isolates: number;
  readonly result: SimulationResult;
}

const middle = (results: readonly SimulationResult[], of: (result: SimulationResult) => number): number =>
  median(results.map(of));

export const measureIsolates = (seeds: readonly number[], isQuick: boolean): IsolateCell[] =>
  CHOOSERS.filter((chooser) => !isQuick || chooser === "breakwater").flatMap((chooser) =>
    ISOLATES.map((isolates) => {
      const results = seeds.map((seed) => simulateIsolates({ isolates, chooser, seed }));
      const result = {
        p50Ms: middle(results, ({ p50Ms }) => p50Ms),
        p99Ms: middle(results, ({ p99Ms }) => p99Ms),
        errors: middle(results, ({ errors }) => errors),
        slowShare: middle(results, ({ slowShare }) => slowShare),
      };
      return { chooser, isolates, result };
    }),
  );

/** Of 400 isolates as a multiple of one's. */
export const p99Ratio = (cells: readonly IsolateCell[], chooser: ChooserKind): number => {
  const [one, many] = cells.filter((cell) => cell.chooser === chooser).map(({ result }) => result.p99Ms);
  return (many ?? Number.NaN) / (one ?? Number.NaN);
};
