/** `limits set|list|clear`: other numbers for one principal, from the command line. */
import { parseArgs } from "node:util";
import { limitsOf } from "../../contract/limits.ts";
import type { Routes } from "../../contract/route.ts";
import type { BucketRule } from "../../middleware/rate-limit/token-bucket.ts";
import type { PlaceContext } from "../commands/at-place.ts";
import { readPrincipal, runSubcommand, type Subcommands, UsageError } from "../commands/subcommand.ts";
import { publishChange } from "../snapshots/publisher.ts";
import { clearOverrides, listOverrides, setOverride } from "./override-store.ts";
import { publishOverrides } from "./publish-overrides.ts";
import { isOverridable, readOverride } from "./read-override.ts";

/** @param call how the command is called: `npm run limits --` */
export const limitsUsage = (call: string): string =>
  `usage: ${call} set --principal NAME --limit NAME --capacity N --refill-per-second N
       ${call} list
       ${call} clear --principal NAME [--limit NAME]`;

export interface LimitsContext extends PlaceContext {
  /** Whose limits they are. */
  readonly routes: Routes;
}

const describe = ({ capacity, refillPerSecond }: BucketRule): string =>
  `capacity ${capacity}, ${refillPerSecond} a second`;

const publish = ({ pool, redis, keyPrefix, print }: LimitsContext): Promise<boolean> =>
  publishChange(() => publishOverrides(pool, redis, keyPrefix), print);

const set = async (context: LimitsContext, args: string[]): Promise<void> => {
  const { values } = parseArgs({
    args,
    options: {
      principal: { type: "string" },
      limit: { type: "string" },
      capacity: { type: "string" },
      "refill-per-second": { type: "string" },
    },
  });
  const override = readOverride(context.routes, values);
  await setOverride(context.pool, override);
  const isPublished = await publish(context);
  const done = `set ${override.limitName} of ${override.principal}: ${describe(override)}`;
  context.print(isPublished ? `${done}: it is in force at once, and everywhere within seconds` : done);
};

const list = async ({ pool, routes, print }: LimitsContext, [word]: string[]): Promise<void> => {
  if (word !== undefined) throw new UsageError(`list takes no words: ${word}`);
  const limits = limitsOf(routes);
  for (const override of await listOverrides(pool)) {
    const limit = limits.get(override.limitName);
    const own =
      limit !== undefined && isOverridable(limit)
        ? `instead of ${describe(limit)}`
        : "of no effect: the contract has no such limit";
    print([override.principal, override.limitName, describe(override), own].join("  "));
  }
};

/** Of whichever limit: the contract may have had it once. */
const clear = async (context: LimitsContext, args: string[]): Promise<void> => {
  const { values } = parseArgs({
    args,
    options: { principal: { type: "string" }, limit: { type: "string" } },
  });
  const principal = readPrincipal(values.principal);
  const cleared = await clearOverrides(context.pool, principal, values.limit);
  if (cleared.length === 0)
    throw new UsageError(`there is no override of ${values.limit ?? "any limit"} of ${principal}`);
  const isPublished = await publish(context);
  const done = `cleared ${cleared.join(", ")} of ${principal}`;
  context.print(
    isPublished
      ? `${done}: the contract's numbers are in force at once, and everywhere within seconds`
      : done,
  );
};

const SUBCOMMANDS: Subcommands<LimitsContext> = { set, list, clear };

/** @throws UsageError */
export const runLimitsCommand = (context: LimitsContext, args: string[]): Promise<void> =>
  runSubcommand(SUBCOMMANDS, context, args);
