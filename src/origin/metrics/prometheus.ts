/** Metrics in Prometheus' text format, with the instruments of handlers. */
import { PrometheusSerializer } from "@opentelemetry/exporter-prometheus";
import { resourceFromAttributes } from "@opentelemetry/resources";
import type { MetricData } from "@opentelemetry/sdk-metrics";
import { type CollectedMetrics, SCOPE } from "../../telemetry/meter-provider.ts";
import { resourceOf, type Service } from "../../telemetry/resource.ts";

export const CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8";

/** Unit names (OpenTelemetry specification, "Prometheus and OpenMetrics Compatibility", "Unit"). */
const UNIT_NAMES: Readonly<Record<string, string>> = { s: "seconds", By: "bytes" };

// Without scopes: instruments differ by name.
const serializer = new PrometheusSerializer(undefined, false, undefined, false, true);

/** Adds the unit to the name, which the serializer does not. */
export const withUnit = (metric: MetricData): MetricData => {
  const { descriptor } = metric;
  const unitName = UNIT_NAMES[descriptor.unit];
  const name = unitName === undefined ? descriptor.name : `${descriptor.name}_${unitName}`;
  return { ...metric, descriptor: { ...descriptor, name, unit: "" } };
};

/** @returns Prometheus' text format */
export const metricsText = (metrics: CollectedMetrics, service: Service): string => {
  if (metrics.length === 0) return "";
  const resource = resourceFromAttributes(resourceOf(service));
  const text = serializer.serialize({
    resource,
    scopeMetrics: [{ scope: SCOPE, metrics: metrics.map(withUnit) }],
  });
  return `${text}\n`;
};
