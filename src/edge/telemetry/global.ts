/**
 * Registers the isolate's meter provider. The entry imports this module first, so that all other modules can
 * create instruments while they load.
 */
import { metrics } from "@opentelemetry/api";
import { createMetrics } from "../../telemetry/meter-provider.ts";

export const isolateMetrics = createMetrics();
metrics.setGlobalMeterProvider(isolateMetrics.provider);
