/** What lies between isolates and store: time, and what may go wrong in it. */
import type { BucketAsk, BucketReply } from "../../../../src/middleware/rate-limit/limit-store.ts";
import type { EventQueue } from "./event-queue.ts";
import type { MemoryLimitStore, Taken } from "./memory-limit-store.ts";

export interface NetworkFaults {
  /** One way takes so long, milliseconds; drawn for each anew. */
  readonly wayMs: () => number;
  /** Within 0 and 1, each: a question, or its answer, is lost. */
  readonly loss?: number;
  /** A question reaches the store twice, the second time later. */
  readonly duplicates?: number;
  /** While it hangs, from and to on the simulation's clock, it does nothing at all. */
  readonly hangs?: { readonly fromMs: number; readonly untilMs: number };
}

export class SimulatedNetwork {
  readonly #queue: EventQueue;
  readonly #store: MemoryLimitStore;
  readonly #faults: NetworkFaults;
  readonly #random: () => number;

  constructor(queue: EventQueue, store: MemoryLimitStore, faults: NetworkFaults, random: () => number) {
    this.#queue = queue;
    this.#store = store;
    this.#faults = faults;
    this.#random = random;
  }

  /** @param taken told of what leaves the store, when it does */
  send(asks: readonly BucketAsk[], answered: (replies: readonly BucketReply[]) => void, taken: Taken): void {
    const { wayMs, loss = 0, duplicates = 0, hangs } = this.#faults;
    const deliver = (): void => {
      if (this.#random() < loss) return;
      this.#queue.after(wayMs(), () => {
        const { nowMs } = this.#queue;
        if (hangs !== undefined && nowMs >= hangs.fromMs && nowMs < hangs.untilMs) return;
        const replies = this.#store.take(asks, taken);
        if (this.#random() < loss) return;
        this.#queue.after(wayMs(), () => answered(replies));
      });
    };
    deliver();
    if (this.#random() < duplicates) this.#queue.after(wayMs(), deliver);
  }
}
