/** The words of `limits set` as an override, checked against the contract. */
import { limitsOf } from "../../contract/limits.ts";
import { costOf, type Limit, MOST_OF_LIMIT } from "../../contract/policy.ts";
import type { Routes } from "../../contract/route.ts";
import { readPrincipal, UsageError } from "../commands/subcommand.ts";
import type { PrincipalOverride } from "./override-store.ts";

const LEAST_REFILL_PER_SECOND = 0.000001;

/** Of `Number`'s other forms nobody thinks here. */
const DECIMAL = /^(\d+|\d*\.\d+)$/;

const readNumber = (
  option: string,
  text: string | undefined,
  { min, max }: { readonly min: number; readonly max: number },
): number => {
  if (text === undefined) throw new UsageError(`--${option} is missing`);
  const value = DECIMAL.test(text) ? Number(text) : Number.NaN;
  if (!(value >= min && value <= max))
    throw new UsageError(`--${option} ${text}: give a number from ${min} to ${max}`);
  return value;
};

/** Whether a principal can have other numbers of it. */
export const isOverridable = ({ per }: Limit): boolean => per === "principal";

const readLimitName = (routes: Routes, name: string | undefined): string => {
  if (name === undefined) throw new UsageError("--limit is missing");
  const limits = limitsOf(routes);
  const limit = limits.get(name);
  if (limit !== undefined && isOverridable(limit)) return name;
  const names = [...limits.values()].filter(isOverridable).map((other) => other.name);
  const known = names.join(", ") || "none";
  throw new UsageError(
    limit === undefined
      ? `--limit ${name}: there are ${known}`
      : `--limit ${name}: only limits per principal can be overridden: ${known}`,
  );
};

/** What the dearest of its requests takes: with less capacity it would be refused for ever. */
const highestCost = (routes: Routes, name: string): number => {
  const named = Object.values(routes).flatMap(({ policy }) => policy.limit ?? []);
  return Math.max(...named.filter((limit) => limit.name === name).map(costOf));
};

export interface OverrideWords {
  readonly principal?: string | undefined;
  readonly limit?: string | undefined;
  readonly capacity?: string | undefined;
  readonly "refill-per-second"?: string | undefined;
}

/** @throws UsageError */
export const readOverride = (routes: Routes, words: OverrideWords): PrincipalOverride => {
  const principal = readPrincipal(words.principal);
  const limitName = readLimitName(routes, words.limit);
  const min = highestCost(routes, limitName);
  const capacity = readNumber("capacity", words.capacity, { min, max: MOST_OF_LIMIT.capacity });
  const refillPerSecond = readNumber("refill-per-second", words["refill-per-second"], {
    min: LEAST_REFILL_PER_SECOND,
    max: MOST_OF_LIMIT.refillPerSecond,
  });
  if (capacity / refillPerSecond > MOST_OF_LIMIT.windowS) {
    throw new UsageError(
      `--capacity ${capacity}: at ${refillPerSecond} a second it would not be full again within a year`,
    );
  }
  return { limitName, principal, capacity, refillPerSecond };
};
