/** What has become of telemetry itself, as metrics: what is lost is counted. */
import { Counter, type Registry } from "prom-client";

export const SIGNALS = ["traces", "logs"] as const;
export type Signal = (typeof SIGNALS)[number];

/** `queue_full`: the queue was full. `export_failed`: the collector or the log's reader did not accept it in time. */
export const DROP_REASONS = ["queue_full", "export_failed"] as const;
export type DropReason = (typeof DROP_REASONS)[number];

export interface TelemetryCounts {
  exported(signal: "traces", count: number): void;
  dropped(signal: Signal, reason: DropReason, count: number): void;
}

/** @param registry takes them */
export const createTelemetryCounts = (registry: Registry): TelemetryCounts => {
  const registers = [registry];
  const exported = new Counter({
    name: "telemetry_exported_total",
    help: "Spans that the collector has taken",
    labelNames: ["signal"],
    registers,
  });
  const dropped = new Counter({
    name: "telemetry_dropped_total",
    help: "Dropped spans and log lines, by reason",
    labelNames: ["signal", "reason"],
    registers,
  });
  // There from the beginning, so that a rate of them is never missing.
  exported.labels("traces").inc(0);
  for (const signal of SIGNALS) {
    for (const reason of DROP_REASONS) dropped.labels(signal, reason).inc(0);
  }
  return {
    exported: (signal, count) => exported.labels(signal).inc(count),
    dropped: (signal, reason, count) => dropped.labels(signal, reason).inc(count),
  };
};
