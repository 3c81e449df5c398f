/** The origin's port for spans with OpenTelemetry's own SDK behind it: what the origin's own is compared with. */
import { AsyncLocalStorage } from "node:async_hooks";
import { type Context, ROOT_CONTEXT, SpanKind, SpanStatusCode, trace } from "@opentelemetry/api";
import { OTLPTraceExporter } from "@opentelemetry/exporter-trace-otlp-http";
import { resourceFromAttributes } from "@opentelemetry/resources";
import {
  AlwaysOnSampler,
  BatchSpanProcessor,
  RandomIdGenerator,
  type SpanExporter,
  TracerProvider,
} from "@opentelemetry/sdk-trace";
import type { Tracing } from "../../../../src/origin/telemetry/tracing.ts";

/** `ExportResultCode.SUCCESS` of `@opentelemetry/core`. */
const SUCCESS = 0;

export interface SdkTracing {
  readonly tracing: Tracing;
  shutdown(): Promise<void>;
}

/** With batches as large as the origin's own. @param onExported is told how many spans the collector has taken */
export const createSdkTracing = (url: string, onExported: (count: number) => void): SdkTracing => {
  const otlp = new OTLPTraceExporter({ url, timeoutMillis: 5_000, concurrencyLimit: 9 });
  const exporter: SpanExporter = {
    export: (spans, done) =>
      otlp.export(spans, (result) => {
        if (result.code === SUCCESS) onExported(spans.length);
        done(result);
      }),
    shutdown: () => otlp.shutdown(),
  };
  let nextTraceId = "";
  const ids = new RandomIdGenerator();
  const provider = new TracerProvider({
    resource: resourceFromAttributes({ "service.name": "bench", "service.instance.id": crypto.randomUUID() }),
    sampler: new AlwaysOnSampler(),
    idGenerator: { generateTraceId: () => nextTraceId, generateSpanId: () => ids.generateSpanId() },
    spanProcessors: [
      new BatchSpanProcessor({
        exporter,
        maxQueueSize: 4_096,
        maxExportBatchSize: 512,
        scheduledDelayMillis: 1_000,
      }),
    ],
  });
  const tracer = provider.getTracer("bench");
  const storage = new AsyncLocalStorage<Context>();
  return {
    tracing: {
      begin: ({ traceId, parentSpanId, name, attributes, beganAtMs }) => {
        nextTraceId = traceId;
        const parent =
          parentSpanId === undefined
            ? ROOT_CONTEXT
            : trace.setSpanContext(ROOT_CONTEXT, {
                traceId,
                spanId: parentSpanId,
                traceFlags: 1,
                isRemote: true,
              });
        const startTime = Date.now() - (performance.now() - beganAtMs);
        const span = tracer.startSpan(
          name,
          { kind: SpanKind.SERVER, startTime, attributes: { ...attributes } },
          parent,
        );
        const within = trace.setSpan(ROOT_CONTEXT, span);
        return {
          spanId: span.spanContext().spanId,
          run: (work) => storage.run(within, work),
          end: (status, found) => {
            span.setAttributes({ ...found, "http.response.status_code": status });
            if (status >= 500) span.setStatus({ code: SpanStatusCode.ERROR });
            span.end();
          },
        };
      },
      // Nothing that is measured in one process does anything for its requests.
      beginClient: () => undefined,
      active: () => {
        const within = storage.getStore();
        return within === undefined ? undefined : trace.getSpanContext(within);
      },
    },
    shutdown: () => provider.shutdown(),
  };
};
