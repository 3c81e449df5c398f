/** Simulates many isolates with one store on one clock, and logs admissions. */
import type { Limit } from "../../../../src/contract/policy.ts";
import type { BucketRule } from "../../../../src/middleware/rate-limit/token-bucket.ts";
import { Agenda } from "../../../resilience/concurrency-limit/support/agenda.ts";
import { seededRandom } from "../../../resilience/concurrency-limit/support/random.ts";
import { AdmissionLog } from "./admission-log.ts";
import { MemoryLimitStore } from "./memory-limit-store.ts";
import { type OnDecided, startIsolate } from "./simulated-isolate.ts";
import { type NetworkFaults, simulatedNetwork } from "./simulated-network.ts";

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
  /** Time until each verdict, milliseconds. */
  readonly waitedMs: readonly number[];
  /** Requests rejected with 503. */
  readonly unavailable: number;
}

export const simulate = (plan: SimulationPlan): SimulationResult => {
  const { seed, isolates: count, limits, arrivals, incidents = [], faults, skewMs = 0 } = plan;
  const random = seededRandom(seed);
  const agenda = new Agenda(0);
  const store = new MemoryLimitStore(() => agenda.nowMs);
  const send = simulatedNetwork(agenda, store, faults, random);
  const takenLogs = new Map<string, AdmissionLog>();
  const taken = (bucket: string, tokens: number): void => {
    const [name] = bucket.split(":");
    const rule = plan.promised ?? limits.find((limit) => limit.name === name);
    const log = takenLogs.get(bucket) ?? (rule && new AdmissionLog(rule));
    log?.admit(tokens, agenda.nowMs);
    if (log !== undefined) takenLogs.set(bucket, log);
  };
  const start = () => startIsolate({ agenda, send, random, taken }, (2 * random() - 1) * skewMs);
  const isolates = Array.from({ length: count }, start);
  const dead: typeof isolates = [];
  const logs = new Map<string, AdmissionLog>();
  const waitedMs: number[] = [];
  let unavailable = 0;

  const logOf = (limit: Limit, client: string): AdmissionLog => {
    const name = `${limit.name}:${client}`;
    const log = logs.get(name) ?? new AdmissionLog(plan.promised ?? limit);
    logs.set(name, log);
    return log;
  };

  for (const { atMs, client, isolate, limits: own = limits, leavesAfterMs } of arrivals) {
    const decided: OnDecided = (verdict, waited) => {
      waitedMs.push(waited);
      if (!verdict.isAdmitted && verdict.results.some(({ outcome }) => outcome === "unavailable"))
        unavailable += 1;
      for (const { limit, outcome } of verdict.results) {
        if (verdict.isAdmitted) logOf(limit, client).admit(limit.cost ?? 1, agenda.nowMs);
        else if (outcome === "limited") logOf(limit, client).refuse(limit.cost ?? 1, agenda.nowMs);
      }
    };
    const limited = { network: client, principal: client };
    agenda.at(atMs, () => isolates[isolate % count]?.request(own, limited, decided, leavesAfterMs));
  }
  for (const incident of incidents) {
    agenda.at(incident.atMs, () => {
      switch (incident.kind) {
        case "isolate_dies":
          isolates[incident.isolate % count]?.die();
          dead.push(...isolates.splice(incident.isolate % count, 1, start()));
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
  agenda.runUntil(Number.POSITIVE_INFINITY);
  const unbacked = [...isolates, ...dead].reduce((sum, { ledger }) => sum + ledger.unbacked, 0);
  return { logs, taken: takenLogs, unbacked, trips: store.trips, waitedMs, unavailable };
};
