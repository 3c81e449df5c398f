/** Makes a limiter's calls on a real store, under its breaker. */
import type { Breaker, Outcome } from "../../../resilience/circuit-breaker/circuit-breaker.ts";
import type { Limiter } from "./limiter.ts";
import type { BucketReply, LimitStore } from "./store.ts";
import type { StoreCall } from "./store-call.ts";

export interface StoreDependencies {
  readonly limiter: Limiter;
  readonly store: LimitStore;
  readonly breaker: Breaker;
  /** Settles as the work does, or, where it takes longer, with an error. */
  readonly within: <T>(work: Promise<T>, ms: number) => Promise<T>;
  /** What an error of the store's says of it: it may be there, and refuse what it was asked. @default that it has failed */
  readonly judge?: (error: unknown) => Outcome;
}

/** Tells the limiter what has become of the call. Resolves to whether the store has answered; it never rejects. */
export type CallStore = (call: StoreCall) => Promise<boolean>;

export const createCallStore =
  ({ limiter, store, breaker, within, judge = () => "failure" }: StoreDependencies): CallStore =>
  async (call) => {
    const { timeoutMs, isHurried } = call.plan;
    let replies: readonly BucketReply[];
    try {
      replies = await breaker.run(
        () => within(store.take(call.asks), timeoutMs),
        (error) => (isHurried === true ? "ignored" : judge(error)),
      );
    } catch {
      limiter.failed(call);
      return false;
    }
    limiter.answered(call, replies);
    return true;
  };
