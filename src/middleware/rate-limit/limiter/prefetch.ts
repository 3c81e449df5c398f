/** Asks the store for what a request will need while somebody else finds out whether it may come so far. */
import type { Limit } from "../../../contract/policy.ts";
import type { LimitedClient } from "./limit-key.ts";
import { createCallStore, type StoreDependencies } from "./refill.ts";

export type Prepare = (
  limits: readonly Limit[],
  client: LimitedClient,
  /** Goes on with work when the request has been answered. */
  inBackground: (work: Promise<unknown>) => void,
) => void;

export const createPrepare = (dependencies: StoreDependencies): Prepare => {
  const callStore = createCallStore(dependencies);
  return (limits, client, inBackground) => {
    const call = dependencies.limiter.prepare(limits, client);
    if (call !== undefined) inBackground(callStore(call));
  };
};
