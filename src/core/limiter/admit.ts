/** Takes an admission's steps on a real clock, with a real store, under the store's breaker. */
import type { Limit } from "../../contract/policy.ts";
import type { Breaker } from "../breaker/breaker.ts";
import type { Admission, Decided, Step } from "./admission.ts";
import type { LimitedClient } from "./limit-key.ts";
import type { Limiter } from "./limiter.ts";
import type { BucketReply, LimitStore } from "./store.ts";
import type { StoreCall } from "./store-call.ts";
import type { LimitVerdict } from "./verdict.ts";

export interface AdmitDependencies {
  readonly limiter: Limiter;
  readonly store: LimitStore;
  readonly breaker: Breaker;
  /** Settles as the work does, or, where it takes longer, with an error. */
  readonly within: <T>(work: Promise<T>, ms: number) => Promise<T>;
  readonly pause: (ms: number) => Promise<void>;
}

export type Admit = (
  limits: readonly Limit[],
  client: LimitedClient,
  /** Goes on with work when the request has been answered. */
  inBackground: (work: Promise<unknown>) => void,
) => LimitVerdict | Promise<LimitVerdict>;

const everyErrorFails = () => "failure" as const;

/**
 * @returns what admits or refuses a request: at once, and without a promise, where the isolate knows. It never rejects
 *   for the store's sake
 */
export const createAdmit = ({ limiter, store, breaker, within, pause }: AdmitDependencies): Admit => {
  /** @returns whether the store has answered */
  const make = async (call: StoreCall): Promise<boolean> => {
    let replies: readonly BucketReply[];
    try {
      replies = await breaker.run(() => within(store.take(call.asks), call.timeoutMs), everyErrorFails);
    } catch {
      limiter.failed(call);
      return false;
    }
    limiter.answered(call, replies);
    return true;
  };

  const finish = (decided: Decided, inBackground: (work: Promise<unknown>) => void): LimitVerdict => {
    if (decided.refresh !== undefined) inBackground(make(decided.refresh));
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
        case "ask":
          step = (await make(step.call)) ? admission.answered(step.call) : admission.failed();
          break;
        case "wait":
          await pause(step.ms);
          step = admission.next();
      }
    }
  };

  return (limits, client, inBackground) => {
    const admission = limiter.begin(limits, client);
    const first = admission.next();
    return first.kind === "decided" ? finish(first, inBackground) : goOn(admission, first, inBackground);
  };
};
