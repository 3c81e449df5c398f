/** Rate limits: the overrides of single principals, and how full the buckets are. Command `limits set|list|clear|usage`. */
import { parseArgs } from "node:util";
import { costOf, LIMIT_BOUNDS, type Limit } from "../../contract/policy.ts";
import { limitsOf, type Routes } from "../../contract/route.ts";
import { parseDecimal } from "../../lib/variables.ts";
import {
  bucketPrefix,
  overrideField,
  publishedOverridesName,
  writeOverride,
} from "../../middleware/rate-limit/limit-store.ts";
import { type BucketRule, levelAt } from "../../middleware/rate-limit/token-bucket.ts";
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

export interface BucketUsage {
  readonly limitName: string;
  /** A principal, an address, or a /64. */
  readonly client: string;
  readonly capacity: number;
  /** Tokens, of which isolates may hold some as leases. */
  readonly available: number;
}

/** Of a thousand names each. */
const MAX_SCAN_STEPS = 1_000;
/** Values read at once. */
const VALUES_PER_STEP = 1_000;

/**
 * The busiest buckets, those with the smallest share of their tokens left first. A bucket that has
 * refilled is absent.
 *
 * @param nowMs epoch milliseconds, near to Redis's own
 */
export const bucketUsage = async (
  { pool, redis, keyPrefix, routes }: Pick<CommandContext, "pool" | "redis" | "keyPrefix" | "routes">,
  nowMs: number,
): Promise<BucketUsage[]> => {
  const prefix = bucketPrefix(keyPrefix);
  const names = await redis.namesWith(prefix, MAX_SCAN_STEPS);
  const stored = names.length === 0 ? [] : await pool.query<PrincipalOverride>(SELECT);
  const overrides = new Map(stored.map((rule) => [overrideField(rule.limitName, rule.principal), rule]));
  const limits = limitsOf(routes);
  const all: BucketUsage[] = [];
  for (let from = 0; from < names.length; from += VALUES_PER_STEP) {
    const part = names.slice(from, from + VALUES_PER_STEP);
    for (const [index, value] of (await redis.values(part)).entries()) {
      const [, limitName, kind, client] =
        /^([^:]+):([pc]):(.*)$/s.exec(part[index]?.slice(prefix.length) ?? "") ?? [];
      const [level = Number.NaN, atUs = Number.NaN] = (value ?? "").split(" ").map(Number);
      if (limitName === undefined || kind === undefined || client === undefined) continue;
      const override = kind === "p" ? overrides.get(overrideField(limitName, client)) : undefined;
      // The contract may no longer have the limit.
      const rule = override ?? limits.get(limitName);
      if (rule === undefined || Number.isNaN(level + atUs)) continue;
      const { capacity } = rule;
      const available = capacity - levelAt({ level, atMs: atUs / 1_000 }, rule, nowMs);
      if (available < capacity) all.push({ limitName, client, capacity, available });
    }
  }
  return all.sort((a, b) => a.available / a.capacity - b.available / b.capacity);
};

const DEFAULT_TOP = 20;
const MAX_TOP = 10_000;

const usage = async (context: CommandContext, args: string[]): Promise<void> => {
  const { values } = parseArgs({ args, options: { top: { type: "string", default: String(DEFAULT_TOP) } } });
  const top = readNumber("top", values.top, 1, MAX_TOP);
  const buckets = await bucketUsage(context, Date.now());
  for (const { limitName, client, capacity, available } of buckets.slice(0, top))
    context.print([limitName, client, `${Math.floor(available)} of ${capacity} left`].join("  "));
  if (buckets.length === 0) context.print("every bucket is full");
  else if (buckets.length > top) context.print(`… and ${buckets.length - top} more: --top N`);
};

export const limitsCommand: Command = {
  usage: [
    "set --principal NAME --limit NAME --capacity N --refill-per-second N",
    "list",
    "clear --principal NAME [--limit NAME]",
    "usage [--top N]",
  ],
  run: subcommands({ set, list, clear, usage }),
};
