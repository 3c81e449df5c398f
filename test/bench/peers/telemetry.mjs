/**
 * OpenTelemetry, loaded before the opponent's own code. Where the spans go and which of them, the standard
 * variables say: OTEL_EXPORTER_OTLP_ENDPOINT, OTEL_TRACES_SAMPLER, OTEL_NODE_ENABLED_INSTRUMENTATIONS.
 */
import { register } from "node:module";
import { createAddHookMessageChannel } from "import-in-the-middle";

// Only the modules that are instrumented are wrapped.
const { registerOptions, waitForAllMessagesAcknowledged } = createAddHookMessageChannel();
register("import-in-the-middle/hook.mjs", import.meta.url, registerOptions);

const { getNodeAutoInstrumentations } = await import("@opentelemetry/auto-instrumentations-node");
const { NodeSDK } = await import("@opentelemetry/sdk-node");
const { FastifyOtelInstrumentation } = await import("@fastify/otel");

new NodeSDK({
  instrumentations: [
    getNodeAutoInstrumentations(),
    // Fastify's is a package of its own, which the variable does not know.
    ...(process.env.OTEL_NODE_ENABLED_INSTRUMENTATIONS?.split(",").includes("fastify")
      ? [new FastifyOtelInstrumentation({ registerOnInitialization: true })]
      : []),
  ],
}).start();

await waitForAllMessagesAcknowledged();
