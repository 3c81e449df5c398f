/** The figures that goals are set for, and the same of the opponent's best algorithm in each. */
import type { HangResult } from "./hang.ts";
import type { LoadResult } from "./loads.ts";
import type { SimulatedResult } from "./simulated.ts";

export interface Measured {
  readonly loads: readonly LoadResult[];
  readonly hangs: readonly HangResult[];
  readonly simulated: readonly SimulatedResult[];
}

/** A figure of one contestant; NaN where nothing of it was measured. */
type Figure = (measured: Measured) => number;

const worst = (values: readonly number[]): number => (values.length === 0 ? Number.NaN : Math.max(...values));

const inGroup = ({ loads }: Measured, group: LoadResult["cell"]["group"]): LoadResult[] =>
  loads.filter(({ cell }) => cell.group === group);

const worstHot =
  (of: (result: LoadResult) => number): Figure =>
  (measured) =>
    worst(inGroup(measured, "hot").map(of));

/** What sums of fractions may be wrong by. */
const ROUNDING = 1e-6;

/** Of each cell, what was admitted over what was promised. */
const boundRatios = ({ loads, simulated }: Measured): number[] => [
  ...loads.map((result) => Math.max(result.aboveVsBound ?? 0, result.mostInWindow / result.promised)),
  ...simulated.map((result) => result.mostAboveRefill / result.bound),
];

const falseDenials: Figure = (measured) =>
  worst(inGroup(measured, "zipf").map((result) => (100 * result.falselyRefused) / result.allRequests));

/** Of both sides. */
export const SHARED = {
  hot_round_trips_per_request: worstHot((result) => result.tripsPerRequest),
  hot_commands_per_request: worstHot((result) => result.commandsPerRequest),
  warm_added_p99_ms: worstHot((result) => result.p99Ms),
  max_admitted_vs_bound: (measured) => worst(boundRatios(measured)),
  false_denials: falseDenials,
  store_hang_max_wait_ms: ({ hangs }) => worst(hangs.map(({ longestMs }) => longestMs)),
} satisfies Record<string, Figure>;

/** Of Breakwater alone. */
const OWN = {
  warm_store_waits: worstHot((result) => result.waits),
  bound_exceeded: (measured) => boundRatios(measured).filter((ratio) => ratio > 1 + ROUNDING).length,
} satisfies Record<string, Figure>;

export const GOALS: Readonly<Record<string, number>> = {
  hot_round_trips_per_request: 0.1,
  hot_commands_per_request: 0.3,
  warm_store_waits: 0,
  bound_exceeded: 0,
  false_denials: 5,
  store_hang_max_wait_ms: 200,
};

export interface Best {
  readonly algorithm: string;
  readonly value: number;
}

const ofContestant = ({ loads, hangs }: Measured, id: string): Measured => ({
  loads: loads.filter(({ contestant }) => contestant.id === id),
  hangs: hangs.filter(({ contestant }) => contestant.id === id),
  simulated: [],
});

export const ownFigures = (measured: Measured): Record<string, number> => {
  const { simulated, loads, hangs } = measured;
  const own: Measured = {
    loads: loads.filter(({ contestant }) => contestant.isOurs),
    hangs: hangs.filter(({ contestant }) => contestant.isOurs),
    simulated,
  };
  return Object.fromEntries(
    Object.entries({ ...SHARED, ...OWN }).map(([name, figure]) => [name, figure(own)]),
  );
};

/** By the figure's name, the opponent's algorithm that is best in it. */
export const bestOfOthers = (measured: Measured): ReadonlyMap<string, Best> => {
  const { loads } = measured;
  const others = loads.map(({ contestant }) => contestant).filter(({ isOurs }) => !isOurs);
  const ids = [...new Set(others.map(({ id }) => id))];
  return new Map(
    Object.entries(SHARED).flatMap(([name, figure]) => {
      const [best] = ids
        .map((algorithm) => ({ algorithm, value: figure(ofContestant(measured, algorithm)) }))
        .filter(({ value }) => !Number.isNaN(value))
        .sort((a, b) => a.value - b.value);
      return best === undefined ? [] : [[name, best] as const];
    }),
  );
};
