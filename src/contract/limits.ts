/** The limits that a contract names. */
import type { Limit } from "./policy.ts";
import { ContractError, type Routes } from "./route.ts";

/** What makes a bucket what it is; a route's cost and whether it only counts are its own. */
const SHARED = ["capacity", "refillPerSecond", "per", "strict", "onStoreFailure"] as const;

/**
 * Every limit of the routes by its name, as the first route has it that names it.
 *
 * @throws ContractError where two routes mean different things by one name
 */
export const limitsOf = (routes: Routes): ReadonlyMap<string, Limit> => {
  const limits = new Map<string, Limit>();
  for (const route of Object.values(routes)) {
    for (const limit of route.policy.limit ?? []) {
      const earlier = limits.get(limit.name) ?? limit;
      const other = SHARED.find((name) => (earlier[name] ?? false) !== (limit[name] ?? false));
      if (other !== undefined) {
        throw new ContractError(
          `${route.method} ${route.path}: the limit ${limit.name} has another ${other} elsewhere`,
        );
      }
      limits.set(limit.name, earlier);
    }
  }
  return limits;
};
