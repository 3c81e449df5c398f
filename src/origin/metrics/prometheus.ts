/** What the origin has counted, as Prometheus reads it. A handler's own instruments are in the same text. */
import { PrometheusSerializer } from "@opentelemetry/exporter-prometheus";
import { resourceFromAttributes } from "@opentelemetry/resources";
import type { MetricData } from "@opentelemetry/sdk-metrics";
import { type CollectedMetrics, SCOPE } from "../../telemetry/meter-provider.ts";

export interface MetricsService {
  readonly serviceName: string;
  readonly serviceVersion: string;
}

/** Prometheus' text format. */
export const CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8";

/** The units' names in Prometheus (OpenTelemetry specification, "Prometheus and OpenMetrics Compatibility", "Unit"). */
const UNIT_NAMES: Readonly<Record<string, string>> = { s: "seconds", By: "bytes" };

// Scopes are left out: users' and our own instruments differ by name.
const serializer = new PrometheusSerializer(undefined, false, undefined, false, true);

/** The serializer leaves the unit out of the name. */
export const withUnit = (metric: MetricData): MetricData => {
  const { descriptor } = metric;
  const unitName = UNIT_NAMES[descriptor.unit];
  const name = unitName === undefined ? descriptor.name : `${descriptor.name}_${unitName}`;
  return { ...metric, descriptor: { ...descriptor, name, unit: "" } };
};

/** @returns Prometheus' text format */
export const metricsText = (
  metrics: CollectedMetrics,
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
