/**
 * The meter provider of `@opentelemetry/api` in this isolate. The entry imports this module first, so that every other module can
 * make instruments while it is loaded.
 */
import { metrics } from "@opentelemetry/api";
import { createMetrics } from "../../telemetry/meter-provider.ts";

export const isolateMetrics = createMetrics();
metrics.setGlobalMeterProvider(isolateMetrics.provider);
