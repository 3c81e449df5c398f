/** Makes a limiter's calls on a real store, under its breaker. */
import type { Breaker } from "../breaker/breaker.ts";
import type { Limiter } from "./limiter.ts";
import type { BucketReply, LimitStore } from "./store.ts";
import type { StoreCall } from "./store-call.ts";

export interface StoreDependencies {
  readonly limiter: Limiter;
  readonly store: LimitStore;
  readonly breaker: Breaker;
  /** Settles as the work does, or, where it takes longer, with an error. */
  readonly within: <T>(work: Promise<T>, ms: number) => Promise<T>;
}

/** Tells the limiter what has become of the call. Resolves to whether the store has answered; it never rejects. */
export type CallStore = (call: StoreCall) => Promise<boolean>;

const everyErrorFails = () => "failure" as const;

export const createCallStore =
  ({ limiter, store, breaker, within }: StoreDependencies): CallStore =>
  async (call) => {
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
