/** The origin's tracer provider, with spans in memory. */
import { context, trace } from "@opentelemetry/api";
import { AsyncLocalStorageContextManager } from "@opentelemetry/context-async-hooks";
import { InMemorySpanExporter, SimpleSpanProcessor, TracerProvider } from "@opentelemetry/sdk-trace";
import { requestIds, requestSampler } from "../../src/origin/telemetry/tracing.ts";

/** Registers the provider with `@opentelemetry/api` until `stop`. */
export const recordSpans = () => {
  const exporter = new InMemorySpanExporter();
  const provider = new TracerProvider({
    sampler: requestSampler,
    idGenerator: requestIds,
    spanProcessors: [new SimpleSpanProcessor({ exporter })],
  });
  context.setGlobalContextManager(new AsyncLocalStorageContextManager().enable());
  trace.setGlobalTracerProvider(provider);
  return {
    /** Ended spans, in the order of their end. */
    spans: () =>
      exporter.getFinishedSpans().map((span) => ({
        ...span.spanContext(),
        parentSpanId: span.parentSpanContext?.spanId,
        name: span.name,
        kind: span.kind,
        attributes: span.attributes,
        isError: span.status.code === 2,
        startMs: milliseconds(span.startTime),
        endMs: milliseconds(span.endTime),
      })),
    stop: (): void => {
      trace.disable();
      context.disable();
    },
  };
};

const milliseconds = ([seconds, nanoseconds]: readonly [number, number]): number =>
  seconds * 1_000 + nanoseconds / 1_000_000;
