/** A meter provider that is read on demand: by Prometheus at the origin, by the exporter at the edge. */
import type { Meter } from "@opentelemetry/api";
import { MeterProvider, type MetricData, MetricReader } from "@opentelemetry/sdk-metrics";

/** Cumulative metrics of one process or isolate. */
export type CollectedMetrics = readonly MetricData[];

export interface Metrics {
  readonly provider: MeterProvider;
  /** For the product's own instruments. */
  readonly meter: Meter;
  collect(): Promise<CollectedMetrics>;
}

class OnDemandReader extends MetricReader {
  protected override onForceFlush(): Promise<void> {
    return Promise.resolve();
  }
  protected override onShutdown(): Promise<void> {
    return Promise.resolve();
  }
}

export const SCOPE = { name: "breakwater" };

export const createMetrics = (): Metrics => {
  const reader = new OnDemandReader();
  const provider = new MeterProvider({ readers: [reader] });
  return {
    provider,
    meter: provider.getMeter(SCOPE.name),
    collect: async () => {
      const { resourceMetrics } = await reader.collect();
      return resourceMetrics.scopeMetrics.flatMap(({ metrics }) => metrics);
    },
  };
};
