/** Rate limit overrides of single principals: storage, publication, command `limits set|list|clear`. */
import { parseArgs } from "node:util";
import { costOf, LIMIT_BOUNDS, type Limit } from "../../contract/policy.ts";
import { limitsOf, type Routes } from "../../contract/route.ts";
import { parseDecimal } from "../../lib/variables.ts";
import {
  overrideField,
  publishedOverridesName,
  writeOverride,
} from "../../middleware/rate-limit/limit-store.ts";
import type { BucketRule } from "../../middleware/rate-limit/token-bucket.ts";
import type { Database } from "../db/database.ts";
import {
  type Command,
  type CommandContext,
  publishChange,
  readText,
  subcommands,
  TEXT,
  UsageError,
} from "./cli.ts";
import { type Publication, readSnapshot, withNewVersion } from "./publish.ts";

interface PrincipalOverride extends BucketRule {
  readonly limitName: string;
  readonly principal: string;
}

const SELECT = `SELECT limit_name AS "limitName", principal, capacity, refill_per_second AS "refillPerSecond"
  FROM limit_overrides`;

const SET = `INSERT INTO limit_overrides (limit_name, principal, capacity, refill_per_second)
  VALUES ($1, $2, $3, $4)
  ON CONFLICT (limit_name, principal) DO UPDATE
    SET capacity = excluded.capacity, refill_per_second = excluded.refill_per_second, changed_at = now()
  RETURNING limit_name`;

/** Replaces an existing override of the same limit and principal. */
export const setOverride = async (
  database: Database,
  { limitName, principal, capacity, refillPerSecond }: PrincipalOverride,
): Promise<void> => {
  await database.query(withNewVersion("limits", SET), [limitName, principal, capacity, refillPerSecond]);
};

/** The limiter's script reads the overrides with every call. */
export const limitsPublication: Publication = {
  name: "limits",
  title: "limit overrides",
  hashName: publishedOverridesName,
  lockKey: 7_203_420,
  read: async (database) => {
    const { version, rows } = await readSnapshot<PrincipalOverride>(database, "limits", SELECT);
    const fields = rows.map((row) => [overrideField(row.limitName, row.principal), writeOverride(row)]);
    return { version, fields: Object.fromEntries(fields) };
  },
};

const MIN_REFILL_PER_SECOND = 0.000001;

const readNumber = (option: string, text: string | undefined, min: number, max: number): number => {
  if (text === undefined) throw new UsageError(`--${option} is missing`);
  const value = parseDecimal(text);
  if (value >= min && value <= max) return value;
  throw new UsageError(`--${option} ${text}: use a number from ${min} to ${max}`);
};

const isOverridable = ({ per }: Limit): boolean => per === "principal";

const readLimitName = (routes: Routes, name: string | undefined): string => {
  if (name === undefined) throw new UsageError("--limit is missing");
  const limits = limitsOf(routes);
  const limit = limits.get(name);
  if (limit !== undefined && isOverridable(limit)) return name;
  const overridable = [...limits.values()].filter(isOverridable).map((other) => other.name);
  const problem = limit === undefined ? "unknown" : "not a limit per principal";
  throw new UsageError(`--limit ${name}: ${problem}; choose from ${overridable.join(", ") || "none"}`);
};

/** The cost of the limit's most expensive request: a smaller capacity would never admit it. */
const highestCost = (routes: Routes, name: string): number => {
  const limits = Object.values(routes).flatMap(({ policy }) => policy.limit ?? []);
  return Math.max(...limits.filter((limit) => limit.name === name).map(costOf));
};

const describe = ({ capacity, refillPerSecond }: BucketRule): string =>
  `capacity ${capacity}, ${refillPerSecond} per second`;

const set = async (context: CommandContext, args: string[]): Promise<void> => {
  const options = { principal: TEXT, limit: TEXT, capacity: TEXT, "refill-per-second": TEXT };
  const { values } = parseArgs({ args, options });
  const principal = readText("principal", values.principal);
  const limitName = readLimitName(context.routes, values.limit);
  const { capacity: maxCapacity, refillPerSecond: maxRefill, windowS } = LIMIT_BOUNDS;
  const cost = highestCost(context.routes, limitName);
  const capacity = readNumber("capacity", values.capacity, cost, maxCapacity);
  const refill = values["refill-per-second"];
  const refillPerSecond = readNumber("refill-per-second", refill, MIN_REFILL_PER_SECOND, maxRefill);
  if (capacity / refillPerSecond > windowS)
    throw new UsageError(`--capacity ${capacity}: refilling it would take more than a year`);
  await setOverride(context.pool, { limitName, principal, capacity, refillPerSecond });
  const change = `set ${limitName} of ${principal}: ${describe({ capacity, refillPerSecond })}`;
  await publishChange(context, limitsPublication, change, "in force everywhere within seconds");
};

const list = async ({ pool, routes, print }: CommandContext, args: string[]): Promise<void> => {
  parseArgs({ args });
  const limits = limitsOf(routes);
  for (const override of await pool.query<PrincipalOverride>(`${SELECT} ORDER BY principal, limit_name`)) {
    const limit = limits.get(override.limitName);
    const isEffective = limit !== undefined && isOverridable(limit);
    const effect = isEffective
      ? `instead of ${describe(limit)}`
      : "no effect: the contract has no such limit";
    print([override.principal, override.limitName, describe(override), effect].join("  "));
  }
};

const CLEAR = `DELETE FROM limit_overrides WHERE principal = $1 AND ($2::text IS NULL OR limit_name = $2)
  RETURNING limit_name AS "limitName"`;

/** Accepts any limit name: an override may outlive its limit. */
const clear = async (context: CommandContext, args: string[]): Promise<void> => {
  const { values } = parseArgs({ args, options: { principal: TEXT, limit: TEXT } });
  const principal = readText("principal", values.principal);
  const statement = withNewVersion("limits", CLEAR);
  const clearing = [principal, values.limit ?? null];
  const cleared = await context.pool.query<{ limitName: string }>(statement, clearing);
  if (cleared.length === 0)
    throw new UsageError(`${principal} has no override of ${values.limit ?? "any limit"}`);
  const names = cleared.map(({ limitName }) => limitName).sort();
  const change = `cleared ${names.join(", ")} of ${principal}`;
  const effect = "the contract's limits are in force everywhere within seconds";
  await publishChange(context, limitsPublication, change, effect);
};

export const limitsCommand: Command = {
  usage: [
    "set --principal NAME --limit NAME --capacity N --refill-per-second N",
    "list",
    "clear --principal NAME [--limit NAME]",
  ],
  run: subcommands({ set, list, clear }),
};
