/** What has become of telemetry itself, as metrics: what is lost is counted. */
import type { Meter } from "@opentelemetry/api";

export const SIGNALS = ["traces", "logs"] as const;
export type Signal = (typeof SIGNALS)[number];

/** `queue_full`: the queue was full. `export_failed`: the collector or the log's reader did not accept it in time. */
export const DROP_REASONS = ["queue_full", "export_failed"] as const;
export type DropReason = (typeof DROP_REASONS)[number];

export interface TelemetryCounts {
  exported(signal: "traces", count: number): void;
  dropped(signal: Signal, reason: DropReason, count: number): void;
}

export const createTelemetryCounts = (meter: Meter): TelemetryCounts => {
  const exported = meter.createCounter("telemetry.exported", {
    description: "Spans that the collector has taken",
  });
  const dropped = meter.createCounter("telemetry.dropped", {
    description: "Dropped spans and log lines, by reason",
  });
  // There from the beginning, so that a rate of them is never missing.
  exported.add(0, { signal: "traces" });
  for (const signal of SIGNALS) {
    for (const reason of DROP_REASONS) dropped.add(0, { signal, reason });
  }
  return {
    exported: (signal, count) => exported.add(count, { signal }),
    dropped: (signal, reason, count) => dropped.add(count, { signal, reason }),
  };
};
