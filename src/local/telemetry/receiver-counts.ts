/** What the receiver has received, counted for its own metrics. */
import { OWN_PREFIX } from "./metric-store.ts";
import type { Labels } from "./prometheus-name.ts";
import type { Family } from "./prometheus-text.ts";

export const SIGNALS = ["traces", "metrics", "logs"] as const;
export type Signal = (typeof SIGNALS)[number];

export interface ReceiverCounts {
  /** Spans, points or records that were taken. */
  received(signal: Signal, count: number): void;
  /** Spans, points or records of requests that were answered, which were not taken. */
  rejected(signal: Signal, count: number): void;
  /** A request that was refused as a whole. */
  refused(signal: Signal): void;
  families(): readonly Family[];
}

const HELP = {
  received: "Spans, metric points and log records that were taken.",
  rejected: "Spans, metric points and log records that were not taken.",
  refused_requests: "Requests that were refused as a whole.",
} as const;

type Count = keyof typeof HELP;

export const createReceiverCounts = (): ReceiverCounts => {
  const zeros = (): Record<Signal, number> => ({ traces: 0, metrics: 0, logs: 0 });
  const counts: Record<Count, Record<Signal, number>> = {
    received: zeros(),
    rejected: zeros(),
    refused_requests: zeros(),
  };
  const add = (count: Count, signal: Signal, more: number): void => {
    counts[count][signal] += more;
  };
  const family = (count: Count): Family => {
    const labels = (signal: Signal): Labels => [["signal", signal]];
    return {
      name: `${OWN_PREFIX}${count}_total`,
      kind: "counter",
      help: HELP[count],
      samples: SIGNALS.map((signal) => ({ labels: labels(signal), value: counts[count][signal] })),
    };
  };
  return {
    received: (signal, count) => add("received", signal, count),
    rejected: (signal, count) => add("rejected", signal, count),
    refused: (signal) => add("refused_requests", signal, 1),
    families: () => [family("received"), family("rejected"), family("refused_requests")],
  };
};
