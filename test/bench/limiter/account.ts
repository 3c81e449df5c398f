/** What the decisions of a load add up to, by exact logs of what was admitted. */
import { type BucketLevel, holds, levelAt } from "../../../src/middleware/rate-limit/token-bucket.ts";
import { AdmissionLog } from "../../middleware/rate-limit/simulation/admission-log.ts";
import { WindowLog } from "../support/window-log.ts";
import { bucketOf, type Contestant, type Rule } from "./contestant.ts";
import type { Decision } from "./drive.ts";
import type { Arrival } from "./load-cells.ts";

export interface Account {
  /** Tokens. */
  readonly admitted: number;
  /** Most tokens in any window of the rule's length, of any key. */
  readonly mostInWindow: number;
  /** Most tokens beyond the refill in any window at all. */
  readonly mostAboveRefill: number;
  /** Requests that were rejected although the contestant's oracle would have admitted them. */
  readonly falselyRefused: number;
  readonly requests: number;
}

interface Logs {
  readonly bucket: AdmissionLog;
  readonly window: WindowLog;
}

export const accountOf = (decisions: readonly Decision[], { oracle }: Contestant, rule: Rule): Account => {
  const logs = new Map<string, Logs>();
  let admitted = 0;
  for (const { arrival, isAdmitted, decidedMs } of decisions) {
    const { key, cost } = arrival;
    const { bucket, window } = logs.get(key) ?? {
      bucket: new AdmissionLog(bucketOf(rule)),
      window: new WindowLog(rule.tokens, rule.windowMs),
    };
    logs.set(key, { bucket, window });
    for (const log of [bucket, window]) {
      if (isAdmitted) log.admit(cost, decidedMs);
      else log.refuse(cost, decidedMs);
    }
    if (isAdmitted) admitted += cost;
  }
  const each = [...logs.values()];
  return {
    admitted,
    mostInWindow: Math.max(0, ...each.map(({ window }) => window.most)),
    mostAboveRefill: Math.max(0, ...each.map(({ bucket }) => bucket.mostAboveRefill)),
    falselyRefused: each.reduce((sum, log) => sum + log[oracle].falselyRefused, 0),
    requests: decisions.length,
  };
};

/** Tokens that one bucket per key would have admitted, with every decision made when it was due. */
export const exactlyAdmitted = (arrivals: readonly Arrival[], rule: Rule): number => {
  const bucket = bucketOf(rule);
  const states = new Map<string, BucketLevel>();
  let admitted = 0;
  for (const { key, cost, dueMs } of arrivals) {
    const level = levelAt(states.get(key), bucket, dueMs);
    if (!holds(bucket.capacity - level, cost)) continue;
    states.set(key, { level: level + cost, atMs: dueMs });
    admitted += cost;
  }
  return admitted;
};
