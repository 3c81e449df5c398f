/** The network between isolates and store: latency and faults. */
import type { BucketAsk, BucketReply } from "../../../../src/middleware/rate-limit/limit-store.ts";
import type { EventQueue } from "./event-queue.ts";
import type { MemoryLimitStore, Taken } from "./memory-limit-store.ts";

export interface NetworkFaults {
  /** One-way latency, milliseconds; drawn for each message. */
  readonly wayMs: () => number;
  /** Probability that a request, or its reply, is lost. */
  readonly loss?: number;
  /** Probability that a request reaches the store a second time, later. */
  readonly duplicates?: number;
  /** The store does nothing between these times. */
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

  /** @param taken is called when tokens leave the store */
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
