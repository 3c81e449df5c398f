/**
 * Spans of a process, by OpenTelemetry's own SDK: the only module of the origin that knows it. Nothing is recorded, and
 * nothing noted, for a request whose trace is not kept.
 */
import { AsyncLocalStorage } from "node:async_hooks";
import { type Context, ROOT_CONTEXT, SpanKind, SpanStatusCode, type Tracer, trace } from "@opentelemetry/api";
import { OTLPTraceExporter } from "@opentelemetry/exporter-trace-otlp-http";
import { resourceFromAttributes } from "@opentelemetry/resources";
import {
  AlwaysOnSampler,
  BatchSpanProcessor,
  RandomIdGenerator,
  TracerProvider,
} from "@opentelemetry/sdk-trace";
import type { SpanAttributes } from "../../core/telemetry/spans/span.ts";
import { failing } from "../failing.ts";
import type { OriginLog } from "../log.ts";
import { countedExporter, countedProcessor, MAX_WAITING } from "./counted-spans.ts";
import type { TelemetryCounts } from "./telemetry-counts.ts";

export interface TracingOptions {
  /** The collector's base address; `/v1/traces` is added. */
  readonly endpoint: string;
  readonly headers: Readonly<Record<string, string>>;
  readonly serviceName: string;
  readonly serviceVersion: string;
  /** Of this process: a UUID. */
  readonly instanceId: string;
  readonly counts: TelemetryCounts;
  readonly log: OriginLog;
}

export interface BegunRequest {
  /** 32 hexadecimal digits. */
  readonly traceId: string;
  /** The edge's attempt, 16 hexadecimal digits; undefined for a trace that begins here. */
  readonly parentSpanId: string | undefined;
  /** As in `GET /products/:id`. */
  readonly name: string;
  readonly attributes: SpanAttributes;
  /** Epoch milliseconds. */
  readonly beganAtMs: number;
}

export interface RequestSpan {
  readonly spanId: string;
  /** What the work begins is below this span. */
  run<T>(work: () => T): T;
  end(status: number, attributes: SpanAttributes): void;
}

export interface ClientSpan {
  /** @param errorType from a closed set; undefined where it was done */
  end(errorType: string | undefined, attributes: SpanAttributes): void;
}

export interface Tracing {
  begin(request: BegunRequest): RequestSpan;
  /** Undefined where nothing is recorded that it could be below. */
  beginClient(name: string, attributes: SpanAttributes): ClientSpan | undefined;
  /** Of the span that is worked below, where there is one. */
  active(): { readonly traceId: string; readonly spanId: string } | undefined;
  /** Sends what there is; nothing is sent afterwards. Resolves when the collector has it, or does not take it. */
  shutdown(): Promise<void>;
}

/** How long a span waits for others, milliseconds. */
const GATHER_MS = 1_000;
/** A collector is not waited for longer, milliseconds. */
const EXPORT_TIMEOUT_MS = 5_000;
/** What one request to the collector holds at most. */
const MAX_BATCH = 512;
/** No attribute's value is longer. */
const MAX_VALUE_LENGTH = 2_048;

const SCOPE = "breakwater-origin";

/** For the SDK: the parent of a span that another process has recorded. */
const remoteParent = (traceId: string, spanId: string): Context =>
  trace.setSpanContext(ROOT_CONTEXT, { traceId, spanId, traceFlags: 1, isRemote: true });

export const createTracing = (options: TracingOptions): Tracing => {
  const { endpoint, headers, serviceName, serviceVersion, instanceId, counts, log } = options;
  const exporter = new OTLPTraceExporter({
    url: `${endpoint}/v1/traces`,
    headers: { ...headers },
    timeoutMillis: EXPORT_TIMEOUT_MS,
    // Of what is beyond it spans are lost: all batches that may wait, which go out at once at the end, beside one that is
    // on its way. One that hangs holds no more connections up than that.
    concurrencyLimit: MAX_WAITING / MAX_BATCH + 1,
  });
  const counted = countedExporter(exporter, counts, failing("spans", "exported", log));
  const batches = new BatchSpanProcessor({
    exporter: counted,
    maxQueueSize: MAX_WAITING,
    maxExportBatchSize: MAX_BATCH,
    scheduledDelayMillis: GATHER_MS,
    exportTimeoutMillis: EXPORT_TIMEOUT_MS,
  });
  /** The next root's: the SDK asks for it while the span is begun. */
  let nextTraceId = "";
  const ids = new RandomIdGenerator();
  const provider = new TracerProvider({
    resource: resourceFromAttributes({
      "service.name": serviceName,
      "service.version": serviceVersion,
      "service.instance.id": instanceId,
    }),
    sampler: new AlwaysOnSampler(),
    spanLimits: { attributeValueLengthLimit: MAX_VALUE_LENGTH },
    idGenerator: { generateTraceId: () => nextTraceId, generateSpanId: () => ids.generateSpanId() },
    spanProcessors: [countedProcessor(batches, counted, counts)],
  });
  const tracer: Tracer = provider.getTracer(SCOPE, serviceVersion);
  const storage = new AsyncLocalStorage<Context>();

  return {
    begin: ({ traceId, parentSpanId, name, attributes, beganAtMs }) => {
      nextTraceId = traceId;
      const parent = parentSpanId === undefined ? ROOT_CONTEXT : remoteParent(traceId, parentSpanId);
      const span = tracer.startSpan(
        name,
        { kind: SpanKind.SERVER, startTime: beganAtMs, attributes: { ...attributes } },
        parent,
      );
      const within = trace.setSpan(ROOT_CONTEXT, span);
      return {
        spanId: span.spanContext().spanId,
        run: (work) => storage.run(within, work),
        end: (status, found) => {
          span.setAttribute("http.response.status_code", status);
          span.setAttributes({ ...found });
          if (status >= 500) {
            span.setAttribute("error.type", String(status));
            span.setStatus({ code: SpanStatusCode.ERROR });
          }
          span.end();
        },
      };
    },
    beginClient: (name, attributes) => {
      const within = storage.getStore();
      if (within === undefined) return undefined;
      const span = tracer.startSpan(name, { kind: SpanKind.CLIENT, attributes: { ...attributes } }, within);
      return {
        end: (errorType, found) => {
          span.setAttributes({ ...found });
          if (errorType !== undefined) {
            span.setAttribute("error.type", errorType);
            span.setStatus({ code: SpanStatusCode.ERROR });
          }
          span.end();
        },
      };
    },
    active: () => {
      const within = storage.getStore();
      return within === undefined ? undefined : trace.getSpanContext(within);
    },
    shutdown: async () => {
      // The first batch that is not taken ends the SDK's waiting for the others. Who has not taken it has been counted.
      await provider.shutdown().catch(() => undefined);
      await counted.shutdown();
    },
  };
};
