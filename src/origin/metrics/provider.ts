/**
 * The process's meter provider, and what it has counted as Prometheus reads it. Instruments are made with the meter of
 * `@opentelemetry/api`; a handler's own are in the same text.
 */
import type { Meter } from "@opentelemetry/api";
import { PrometheusSerializer } from "@opentelemetry/exporter-prometheus";
import { resourceFromAttributes } from "@opentelemetry/resources";
import { MeterProvider, type MetricData, MetricReader } from "@opentelemetry/sdk-metrics";

/** What one process has counted: data that passes between processes. */
export type ProcessMetrics = readonly MetricData[];

export interface MetricsService {
  readonly serviceName: string;
  readonly serviceVersion: string;
}

/** Prometheus' text format. */
export const CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8";

/** It is read when Prometheus asks. */
class ScrapeReader extends MetricReader {
  protected override onForceFlush(): Promise<void> {
    return Promise.resolve();
  }
  protected override onShutdown(): Promise<void> {
    return Promise.resolve();
  }
}

/** The units' names in Prometheus (OpenTelemetry specification, "Prometheus and OpenMetrics Compatibility", "Unit"). */
const UNIT_NAMES: Readonly<Record<string, string>> = { s: "seconds", By: "bytes" };

const SCOPE = { name: "breakwater" };
// Scopes are left out: users' and our own instruments differ by name.
const serializer = new PrometheusSerializer(undefined, false, undefined, false, true);

/** The serializer leaves the unit out of the name. */
const withUnit = (metric: MetricData): MetricData => {
  const { descriptor } = metric;
  const unitName = UNIT_NAMES[descriptor.unit];
  const name = unitName === undefined ? descriptor.name : `${descriptor.name}_${unitName}`;
  return { ...metric, descriptor: { ...descriptor, name, unit: "" } };
};

/** @returns Prometheus' text format */
export const metricsText = (
  metrics: ProcessMetrics,
  { serviceName, serviceVersion }: MetricsService,
): string => {
  if (metrics.length === 0) return "";
  const resource = resourceFromAttributes({ "service.name": serviceName, "service.version": serviceVersion });
  const text = serializer.serialize({
    resource,
    scopeMetrics: [{ scope: SCOPE, metrics: metrics.map(withUnit) }],
  });
  return `${text}\n`;
};

export interface Metrics {
  readonly provider: MeterProvider;
  /** For the product's own instruments. */
  readonly meter: Meter;
  collect(): Promise<ProcessMetrics>;
}

export const createMetrics = (): Metrics => {
  const reader = new ScrapeReader();
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
