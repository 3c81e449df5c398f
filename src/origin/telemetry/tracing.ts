/** The process's tracer provider: OpenTelemetry's SDK with a bounded queue, and counts of spans. */
import { type Context, context, createContextKey, ROOT_CONTEXT, trace } from "@opentelemetry/api";
import { AsyncLocalStorageContextManager } from "@opentelemetry/context-async-hooks";
import { OTLPTraceExporter } from "@opentelemetry/exporter-trace-otlp-http";
import { resourceFromAttributes } from "@opentelemetry/resources";
import {
  BatchSpanProcessor,
  type IdGenerator,
  ParentBasedSampler,
  RandomIdGenerator,
  SamplingDecision,
  type SpanExporter,
  type SpanProcessor,
  TracerProvider,
} from "@opentelemetry/sdk-trace";
import type { TelemetryCounts } from "../../telemetry/instruments.ts";
import type { HttpTarget } from "../http/post-json.ts";
import type { TransitionLog } from "../lifecycle/jobs.ts";

interface TracingOptions {
  readonly target: HttpTarget;
  readonly resource: Readonly<Record<string, string>>;
  readonly counts: TelemetryCounts<"traces", "traces">;
  readonly transitions: TransitionLog;
}

/** The most spans that are queued or being sent. */
export const MAX_WAITING = 4_096;
/** The most spans in one request to the collector. */
const MAX_BATCH = 512;
/** The longest wait of a span for others, milliseconds. */
const GATHER_MS = 1_000;
/** The limit for a batch with its retries, milliseconds. */
const EXPORT_TIMEOUT_MS = 5_000;

/** `ExportResultCode.SUCCESS` of `@opentelemetry/core`. */
const SUCCESS = 0;

const ROOT_TRACE_ID = createContextKey("breakwater.root_trace_id");

/** @returns a context in which a span begins a trace with this id @param traceId 32 hexadecimal digits */
export const rootTrace = (traceId: string): Context => ROOT_CONTEXT.setValue(ROOT_TRACE_ID, traceId);

const rootTraceId = (parent: Context): string | undefined => {
  const traceId = parent.getValue(ROOT_TRACE_ID);
  return typeof traceId === "string" ? traceId : undefined;
};

/** Only requests begin traces, so a request that is not sampled leaves no span, whatever its handler does. */
export const requestSampler = new ParentBasedSampler({
  root: {
    shouldSample: (parent) => {
      const { NOT_RECORD, RECORD_AND_SAMPLED } = SamplingDecision;
      return { decision: rootTraceId(parent) === undefined ? NOT_RECORD : RECORD_AND_SAMPLED };
    },
    toString: () => "RequestRootSampler",
  },
});

const randomIds = new RandomIdGenerator();
export const requestIds: IdGenerator = {
  generateTraceId: () => rootTraceId(context.active()) ?? randomIds.generateTraceId(),
  generateSpanId: () => randomIds.generateSpanId(),
};

/** Registers the provider with `@opentelemetry/api`. */
export const startTracing = ({ target, resource, counts, transitions }: TracingOptions) => {
  let waiting = 0;
  let isShutDown = false;
  // At shutdown all batches are sent at once, beside one in flight.
  const concurrencyLimit = MAX_WAITING / MAX_BATCH + 1;
  const otlp = new OTLPTraceExporter({ ...target, timeoutMillis: EXPORT_TIMEOUT_MS, concurrencyLimit });

  const exporter: SpanExporter = {
    export: (spans, done) =>
      otlp.export(spans, (result) => {
        waiting -= spans.length;
        if (result.code === SUCCESS) {
          counts.exported("traces", spans.length);
          transitions.succeeded();
        } else {
          counts.dropped("traces", "export_failed", spans.length);
          transitions.failed(result.error);
        }
        done(result);
      }),
    shutdown: () => otlp.shutdown(),
  };
  const batches = new BatchSpanProcessor({
    exporter,
    maxQueueSize: MAX_WAITING,
    maxExportBatchSize: MAX_BATCH,
    scheduledDelayMillis: GATHER_MS,
    // Longer than the exporter's own limit, which applies.
    exportTimeoutMillis: 2 * EXPORT_TIMEOUT_MS,
  });
  const bounded: SpanProcessor = {
    onStart: () => undefined,
    onEnd: (span) => {
      if (isShutDown) counts.dropped("traces", "export_failed", 1);
      else if (waiting >= MAX_WAITING) counts.dropped("traces", "queue_full", 1);
      else {
        waiting += 1;
        batches.onEnd(span);
      }
    },
    forceFlush: () => batches.forceFlush(),
    shutdown: () => batches.shutdown(),
  };
  const provider = new TracerProvider({
    resource: resourceFromAttributes(resource),
    sampler: requestSampler,
    idGenerator: requestIds,
    spanProcessors: [bounded],
  });
  context.setGlobalContextManager(new AsyncLocalStorageContextManager().enable());
  trace.setGlobalTracerProvider(provider);

  return {
    /** Exports the queued spans, within the limit of a batch. */
    shutdown: async (): Promise<void> => {
      isShutDown = true;
      // It rejects after a failed export, whose spans have been counted.
      await provider.shutdown().catch(() => undefined);
      trace.disable();
      context.disable();
    },
  };
};
