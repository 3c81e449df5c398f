/** A meter, and its metrics in Prometheus' text format. */
import { metricsText } from "../../src/origin/metrics/prometheus.ts";
import { createMetrics } from "../../src/telemetry/meter-provider.ts";

const SERVICE = { serviceName: "test-origin", serviceVersion: "1.2.3" };

export const testMetrics = () => {
  const metrics = createMetrics();
  return { ...metrics, text: async () => metricsText(await metrics.collect(), SERVICE) };
};
