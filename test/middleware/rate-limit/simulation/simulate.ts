/** Simulates many isolates with one store on one clock, and logs admissions. */
import type { Limit } from "../../../../src/contract/policy.ts";
import type { LimiterOptions } from "../../../../src/middleware/rate-limit/limiter.ts";
import type { BucketRule } from "../../../../src/middleware/rate-limit/token-bucket.ts";
import { seededRandom } from "../../../resilience/concurrency-limit/support/random.ts";
import { AdmissionLog } from "./admission-log.ts";
import { EventQueue } from "./event-queue.ts";
import { MemoryLimitStore } from "./memory-limit-store.ts";
import { type Decided, SimulatedIsolate } from "./simulated-isolate.ts";
import { type NetworkFaults, SimulatedNetwork } from "./simulated-network.ts";
import type { TokenLedger } from "./token-ledger.ts";

export interface Arrival {
  readonly atMs: number;
  readonly client: string;
  /** Index of the isolate; if it died, of its replacement. */
  readonly isolate: number;
  /** @default the plan's */
  readonly limits?: readonly Limit[];
  /** When its client leaves. @default never */
  readonly leavesAfterMs?: number;
}

/** An event other than a request. */
export type Incident = { readonly atMs: number } & (
  | { readonly kind: "isolate_dies"; readonly isolate: number }
  | { readonly kind: "clock_is_set"; readonly isolate: number; readonly byMs: number }
  | { readonly kind: "store_fails_over"; readonly aheadMs: number }
  | { readonly kind: "limit_is_overridden"; readonly capacity: number; readonly refillPerSecond: number }
);

export interface SimulationPlan {
  readonly seed: number;
  readonly isolates: number;
  readonly limits: readonly Limit[];
  readonly arrivals: readonly Arrival[];
  readonly incidents?: readonly Incident[];
  readonly options?: LimiterOptions;
  readonly faults: NetworkFaults;
  /** Largest offset of an isolate's clock from the store's. @default 0 */
  readonly skewMs?: number;
  /** The rule that the logs check against. @default each limit's own */
  readonly promised?: BucketRule;
}

export interface SimulationResult {
  /** By limit and client: `NAME:CLIENT`. */
  readonly logs: ReadonlyMap<string, AdmissionLog>;
  /** By bucket: the tokens that the store granted. */
  readonly taken: ReadonlyMap<string, AdmissionLog>;
  /** Tokens that isolates used without having taken them within a lease before. */
  readonly unbacked: number;
  readonly trips: number;
  readonly modes: Readonly<Record<string, number>>;
  /** Time until each verdict, milliseconds. */
  readonly waitedMs: readonly number[];
  /** Requests rejected with 503. */
  readonly unavailable: number;
}

export const simulate = (plan: SimulationPlan): SimulationResult => {
  const { seed, isolates: count, limits, arrivals, incidents = [], options = {}, faults, skewMs = 0 } = plan;
  const random = seededRandom(seed);
  const queue = new EventQueue();
  const taken = new Map<string, AdmissionLog>();
  const store = new MemoryLimitStore(() => queue.nowMs);
  const network = new SimulatedNetwork(queue, store, faults, random);
  const take = (bucket: string, tokens: number): void => {
    const [name] = bucket.split(":");
    const rule = plan.promised ?? limits.find((limit) => limit.name === name);
    const log = taken.get(bucket) ?? (rule && new AdmissionLog(rule));
    log?.admit(tokens, queue.nowMs);
    if (log !== undefined) taken.set(bucket, log);
  };
  const ledgers: TokenLedger[] = [];
  const start = (): SimulatedIsolate => {
    const isolate = new SimulatedIsolate(
      { queue, network, options, random, taken: take },
      (2 * random() - 1) * skewMs,
    );
    ledgers.push(isolate.ledger);
    return isolate;
  };
  const isolates = Array.from({ length: count }, start);
  const logs = new Map<string, AdmissionLog>();
  const modes: Record<string, number> = {};
  const waitedMs: number[] = [];
  let unavailable = 0;

  const logOf = (limit: Limit, client: string): AdmissionLog => {
    const name = `${limit.name}:${client}`;
    const log = logs.get(name) ?? new AdmissionLog(plan.promised ?? limit);
    logs.set(name, log);
    return log;
  };

  for (const { atMs, client, isolate, limits: own = limits, leavesAfterMs } of arrivals) {
    const decided: Decided = (verdict, waited) => {
      waitedMs.push(waited);
      if (!verdict.isAdmitted && verdict.results.some(({ outcome }) => outcome === "unavailable"))
        unavailable += 1;
      for (const { limit, outcome, mode } of verdict.results) {
        modes[mode] = (modes[mode] ?? 0) + 1;
        if (verdict.isAdmitted) logOf(limit, client).admit(limit.cost ?? 1, queue.nowMs);
        else if (outcome === "limited") logOf(limit, client).refuse(limit.cost ?? 1, queue.nowMs);
      }
    };
    const who = { network: client, principal: client };
    queue.at(atMs, () => isolates[isolate % count]?.request(own, who, decided, leavesAfterMs));
  }
  for (const incident of incidents) {
    queue.at(incident.atMs, () => {
      switch (incident.kind) {
        case "isolate_dies":
          isolates[incident.isolate % count]?.die();
          isolates[incident.isolate % count] = start();
          break;
        case "clock_is_set":
          isolates[incident.isolate % count]?.setClock(incident.byMs);
          break;
        case "store_fails_over":
          store.failOver(incident.aheadMs);
          break;
        case "limit_is_overridden":
          for (const { client } of arrivals)
            for (const { name } of limits) store.override(`${name}:${client}`, incident);
      }
    });
  }
  queue.run();
  const unbacked = ledgers.reduce((sum, ledger) => sum + ledger.unbacked, 0);
  return { logs, taken, unbacked, trips: store.trips, modes, waitedMs, unavailable };
};
