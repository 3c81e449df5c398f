/** The network between isolates and store: latency and faults. */
import type { BucketAsk, BucketReply } from "../../../../src/middleware/rate-limit/limit-store.ts";
import type { Agenda } from "../../../resilience/concurrency-limit/support/agenda.ts";
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

/** @param taken is called when tokens leave the store */
export type Send = (
  asks: readonly BucketAsk[],
  answered: (replies: readonly BucketReply[]) => void,
  taken: Taken,
) => void;

export const simulatedNetwork = (
  agenda: Agenda,
  store: MemoryLimitStore,
  { wayMs, loss = 0, duplicates = 0, hangs }: NetworkFaults,
  random: () => number,
): Send => {
  return (asks, answered, taken) => {
    const deliver = (): void => {
      if (random() < loss) return;
      agenda.after(wayMs(), () => {
        const { nowMs } = agenda;
        if (hangs !== undefined && nowMs >= hangs.fromMs && nowMs < hangs.untilMs) return;
        const replies = store.take(asks, taken);
        if (random() >= loss) agenda.after(wayMs(), () => answered(replies));
      });
    };
    deliver();
    if (random() < duplicates) agenda.after(wayMs(), deliver);
  };
};
