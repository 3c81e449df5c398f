/**
 * Spans of a process. Whether a request is recorded is decided before it comes here: for one that is not nothing is noted.
 * A span is a plain record from its end on; nothing else is kept of a trace.
 */
import { AsyncLocalStorage } from "node:async_hooks";
import { newSpanId, type Span, type SpanAttributes } from "../../telemetry/spans/span.ts";

export interface BegunRequest {
  /** 32 hexadecimal digits. */
  readonly traceId: string;
  /** The edge's attempt, 16 hexadecimal digits; undefined for a trace that begins here. */
  readonly parentSpanId: string | undefined;
  /** As in `GET /products/:id`. */
  readonly name: string;
  readonly attributes: SpanAttributes;
  /** By `performance.now()`. */
  readonly beganAtMs: number;
}

export interface RequestSpan {
  readonly spanId: string;
  /** What the work begins is below this span. */
  run<T>(work: () => T): T;
  /** @param durationMs since it began */
  end(status: number, attributes: SpanAttributes, durationMs: number): void;
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
}

/** What is worked below a request's span. */
interface Within {
  readonly traceId: string;
  readonly spanId: string;
  /** What `performance.now()` is to be added to, so that all of a trace's times are by one clock: epoch milliseconds. */
  readonly originMs: number;
}

/** @param add takes each span at its end @param random within [0, 1) */
export const createTracing = (add: (span: Span) => void, random: () => number): Tracing => {
  const storage = new AsyncLocalStorage<Within>();
  return {
    begin: ({ traceId, parentSpanId, name, attributes, beganAtMs }) => {
      const spanId = newSpanId(random);
      // The process' own beginning is as its clock was then, and that is never set right.
      const originMs = Date.now() - performance.now();
      const startMs = originMs + beganAtMs;
      return {
        spanId,
        run: (work) => storage.run({ traceId, spanId, originMs }, work),
        end: (status, found, durationMs) =>
          add({
            traceId,
            spanId,
            parentSpanId,
            name,
            kind: "server",
            startMs,
            endMs: startMs + durationMs,
            attributes: { ...attributes, "http.response.status_code": status, ...found },
            errorType: status >= 500 ? String(status) : undefined,
          }),
      };
    },
    beginClient: (name, attributes) => {
      const within = storage.getStore();
      if (within === undefined) return undefined;
      const { traceId, spanId: parentSpanId, originMs } = within;
      const startMs = originMs + performance.now();
      return {
        end: (errorType, found) =>
          add({
            traceId,
            spanId: newSpanId(random),
            parentSpanId,
            name,
            kind: "client",
            startMs,
            endMs: originMs + performance.now(),
            attributes: { ...attributes, ...found },
            errorType,
          }),
      };
    },
    active: () => storage.getStore(),
  };
};
