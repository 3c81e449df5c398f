/** The process's meter provider. The entry imports it first, because modules create instruments on loading. */
import { metrics } from "@opentelemetry/api";
import { createMetrics } from "../../telemetry/meter-provider.ts";

export const processMetrics = createMetrics();
metrics.setGlobalMeterProvider(processMetrics.provider);
