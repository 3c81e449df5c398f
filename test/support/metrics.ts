/** A meter, and what it has counted in Prometheus' text format. */
import { createMetrics, metricsText } from "../../src/origin/metrics/provider.ts";

const SERVICE = { serviceName: "test-origin", serviceVersion: "1.2.3" };

export const testMetrics = () => {
  const { meter, collect } = createMetrics();
  return { meter, collect, text: async () => metricsText(await collect(), SERVICE) };
};
