/** The figures that were accepted last (figures.json), and what a run has lost since. */
import { readFile } from "node:fs/promises";
import * as z from "zod";
import type { Figures, Goal } from "./comparison.ts";

/** The share of a figure that the spread of short runs may take. */
const MAX_LOSS = 0.25;

const goal = z.union([z.strictObject({ atLeast: z.number() }), z.strictObject({ atMost: z.number() })]);
/** By benchmark and figure. `atLeast`: more is better; `atMost`: less is better. */
const file = z.record(z.string(), z.record(z.string(), goal));

export type Accepted = Readonly<Record<string, Goal>>;

/** @param bench the benchmark's name @returns none if nothing is accepted for it */
export const readAccepted = async (bench: string): Promise<Accepted> => {
  const text = await readFile(new URL("../figures.json", import.meta.url), "utf8");
  return file.parse(JSON.parse(text))[bench] ?? {};
};

/** The better of two figures. */
const better = (one: number | null, other: number | null, { atMost }: Goal): number | null => {
  if (one === null || other === null) return one ?? other;
  return atMost === undefined ? Math.max(one, other) : Math.min(one, other);
};

/** Of several runs, each accepted figure at its best. */
export const bestOf = (runs: readonly Figures[], accepted: Accepted): Figures =>
  Object.fromEntries(
    Object.entries(accepted).map(([key, direction]) => [
      key,
      runs.map((run) => run[key] ?? null).reduce((one, other) => better(one, other, direction), null),
    ]),
  );

const isLost = (figure: number | null, { atLeast, atMost }: Goal): boolean => {
  if (figure === null) return true;
  if (atLeast !== undefined) return figure < atLeast * (1 - MAX_LOSS);
  return atMost !== undefined && figure > atMost / (1 - MAX_LOSS);
};

/** A line for each accepted figure that was not measured, or has lost more than a quarter. */
export const losses = (figures: Figures, accepted: Accepted): string[] =>
  Object.entries(accepted).flatMap(([key, direction]) => {
    const figure = figures[key] ?? null;
    if (!isLost(figure, direction)) return [];
    return [`${key}: ${figure ?? "not measured"}, accepted: ${direction.atLeast ?? direction.atMost}`];
  });
