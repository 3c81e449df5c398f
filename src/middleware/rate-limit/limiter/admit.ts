/** Takes an admission's steps on a real clock, with a real store. */
import type { Limit } from "../../../contract/policy.ts";
import type { Admission, Decided, Step } from "./admission.ts";
import type { LimitedClient } from "./limit-key.ts";
import { createCallStore, type StoreDependencies } from "./refill.ts";
import type { LimitVerdict } from "./verdict.ts";

export interface AdmitDependencies extends StoreDependencies {
  readonly pause: (ms: number) => Promise<void>;
}

export type Admit = (
  limits: readonly Limit[],
  client: LimitedClient,
  /** Goes on with work when the request has been answered. */
  inBackground: (work: Promise<unknown>) => void,
) => LimitVerdict | Promise<LimitVerdict>;

/**
 * @returns what admits or refuses a request: at once, and without a promise, where the isolate knows. It never rejects
 *   for the store's sake
 */
export const createAdmit = (dependencies: AdmitDependencies): Admit => {
  const { limiter, breaker, pause } = dependencies;
  const callStore = createCallStore(dependencies);

  const finish = (decided: Decided, inBackground: (work: Promise<unknown>) => void): LimitVerdict => {
    if (decided.refresh !== undefined) inBackground(callStore(decided.refresh));
    return decided.verdict;
  };

  const goOn = async (
    admission: Admission,
    first: Step,
    inBackground: (work: Promise<unknown>) => void,
  ): Promise<LimitVerdict> => {
    for (let step = first; ; ) {
      switch (step.kind) {
        case "decided":
          return finish(step, inBackground);
        case "ask": {
          // Others may wait for it, if this one's client goes away.
          const calling = callStore(step.call);
          inBackground(calling);
          step = (await calling) ? admission.answered(step.call) : admission.failed();
          break;
        }
        case "wait":
          // What was sent before the breaker opened is not waited for.
          if (breaker.state === "open") {
            step = admission.failed();
          } else {
            await pause(step.ms);
            step = admission.next();
          }
      }
    }
  };

  return (limits, client, inBackground) => {
    const admission = limiter.begin(limits, client);
    const first = admission.next();
    return first.kind === "decided" ? finish(first, inBackground) : goOn(admission, first, inBackground);
  };
};
