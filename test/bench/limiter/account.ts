/** The sums of a load's decisions, by exact logs of the admitted requests. */
import { AdmissionLog } from "../../middleware/rate-limit/simulation/admission-log.ts";
import { WindowLog } from "../support/window-log.ts";
import { bucketOf, type Contestant, type Rule } from "./contestant.ts";
import type { Decision } from "./drive.ts";

export interface Account {
  readonly admitted: number;
  /** Most requests in any window of the rule's length, of any key. */
  readonly mostInWindow: number;
  /** Most requests beyond the refill in any window at all. */
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
  for (const { arrival, isAdmitted, decidedMs } of decisions) {
    const { bucket, window } = logs.get(arrival.key) ?? {
      bucket: new AdmissionLog(bucketOf(rule)),
      window: new WindowLog(rule.tokens, rule.windowMs),
    };
    logs.set(arrival.key, { bucket, window });
    for (const log of [bucket, window]) {
      if (isAdmitted) log.admit(1, decidedMs);
      else log.refuse(1, decidedMs);
    }
  }
  const each = [...logs.values()];
  return {
    admitted: decisions.filter(({ isAdmitted }) => isAdmitted).length,
    mostInWindow: Math.max(0, ...each.map(({ window }) => window.most)),
    mostAboveRefill: Math.max(0, ...each.map(({ bucket }) => bucket.mostAboveRefill)),
    falselyRefused: each.reduce((sum, log) => sum + log[oracle].falselyRefused, 0),
    requests: decisions.length,
  };
};
