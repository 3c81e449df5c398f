/** Metrics of the process itself, under the names of Prometheus' client libraries. */
import { constants, monitorEventLoopDelay, PerformanceObserver } from "node:perf_hooks";
import type { Meter } from "@opentelemetry/api";
import { readGauge } from "./instruments.ts";

const GC_BOUNDS_S = [0.001, 0.01, 0.1, 1, 2, 5];
const EVENT_LOOP_RESOLUTION_MS = 10;
const NANOSECONDS_PER_S = 1e9;

const GC_KINDS: Readonly<Record<number, string>> = {
  [constants.NODE_PERFORMANCE_GC_MAJOR]: "major",
  [constants.NODE_PERFORMANCE_GC_MINOR]: "minor",
  [constants.NODE_PERFORMANCE_GC_INCREMENTAL]: "incremental",
  [constants.NODE_PERFORMANCE_GC_WEAKCB]: "weakcb",
};

const kindOf = (detail: unknown): string => {
  const kind = typeof detail === "object" && detail !== null && "kind" in detail ? Number(detail.kind) : 0;
  return GC_KINDS[kind] ?? "other";
};

export const observeProcess = (meter: Meter): void => {
  meter
    .createObservableCounter("process.cpu", { description: "Processor time, user and system", unit: "s" })
    .addCallback((result) => {
      const { user, system } = process.cpuUsage();
      result.observe((user + system) / 1e6);
    });
  const startTimeS = (Date.now() - process.uptime() * 1_000) / 1_000;
  readGauge(meter, "process.start_time", "Start of the process since the epoch", () => startTimeS, "s");
  const bytes = (name: string, description: string, read: () => number): void =>
    readGauge(meter, name, description, read, "By");
  bytes("process.resident_memory", "Resident memory", () => process.memoryUsage.rss());
  bytes("nodejs.heap_size_total", "Size of the heap", () => process.memoryUsage().heapTotal);
  bytes("nodejs.heap_size_used", "Used part of the heap", () => process.memoryUsage().heapUsed);
  bytes("nodejs.external_memory", "Memory outside of the heap", () => process.memoryUsage().external);

  const delay = monitorEventLoopDelay({ resolution: EVENT_LOOP_RESOLUTION_MS });
  delay.enable();
  const lags = [50, 90, 99].map((percentile) => {
    const description = "Delay of the event loop since the last scrape";
    const name = `nodejs.eventloop_lag_p${percentile}`;
    return { percentile, lag: meter.createObservableGauge(name, { description, unit: "s" }) };
  });
  meter.addBatchObservableCallback(
    (result) => {
      for (const { percentile, lag } of lags)
        result.observe(lag, (delay.percentile(percentile) || 0) / NANOSECONDS_PER_S);
      delay.reset();
    },
    lags.map(({ lag }) => lag),
  );

  const collections = meter.createHistogram("nodejs.gc.duration", {
    description: "Duration of garbage collections, by kind",
    unit: "s",
    advice: { explicitBucketBoundaries: GC_BOUNDS_S },
  });
  new PerformanceObserver((list) => {
    for (const entry of list.getEntries())
      collections.record(entry.duration / 1_000, {
        kind: kindOf("detail" in entry ? entry.detail : undefined),
      });
  }).observe({ entryTypes: ["gc"] });
};
