/**
 * OpenTelemetry's traces, loaded before a peer's own code. The standard variables configure the exporter and the sampler;
 * INSTRUMENTATIONS lists what is instrumented.
 */
import { register } from "node:module";
import { createAddHookMessageChannel } from "import-in-the-middle";

// Only the modules that are instrumented are wrapped.
const { registerOptions, waitForAllMessagesAcknowledged } = createAddHookMessageChannel();
register("import-in-the-middle/hook.mjs", import.meta.url, registerOptions);

const { FastifyOtelInstrumentation } = await import("@fastify/otel");
const { OTLPTraceExporter } = await import("@opentelemetry/exporter-trace-otlp-proto");
const { registerInstrumentations } = await import("@opentelemetry/instrumentation");
const { ExpressInstrumentation } = await import("@opentelemetry/instrumentation-express");
const { HttpInstrumentation } = await import("@opentelemetry/instrumentation-http");
const { PgInstrumentation } = await import("@opentelemetry/instrumentation-pg");
const { BatchSpanProcessor, NodeTracerProvider } = await import("@opentelemetry/sdk-trace-node");

const create = {
  express: () => new ExpressInstrumentation(),
  fastify: () => new FastifyOtelInstrumentation({ registerOnInitialization: true }),
  http: () => new HttpInstrumentation(),
  pg: () => new PgInstrumentation(),
};

new NodeTracerProvider({ spanProcessors: [new BatchSpanProcessor(new OTLPTraceExporter())] }).register();
registerInstrumentations({
  instrumentations: process.env.INSTRUMENTATIONS.split(",").map((name) => create[name]()),
});

await waitForAllMessagesAcknowledged();
