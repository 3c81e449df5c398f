/** The latest traces received, in memory, and their views. */
import { LRUCache } from "lru-cache";
import type { Span } from "./otlp.ts";

export interface Trace {
  readonly traceId: string;
  /** In the order of arrival. */
  readonly spans: readonly Span[];
}

export type TraceStore = ReturnType<typeof createTraceStore>;

/**
 * @param maxTraces one more drops the trace without a new span for longest
 * @param maxSpans of all traces together; likewise
 */
export const createTraceStore = (maxTraces = 500, maxSpans = 50_000) => {
  const traces = new LRUCache<string, Trace>({
    max: maxTraces,
    maxSize: maxSpans,
    sizeCalculation: ({ spans }) => spans.length,
  });
  return {
    /** A repeated span replaces the earlier one: exporters retry. */
    add: (spans: readonly Span[]): void => {
      for (const [traceId, added] of Map.groupBy(spans, (span) => span.traceId)) {
        const before = traces.peek(traceId)?.spans ?? [];
        const all = new Map([...before, ...added].map((span) => [span.spanId, span]));
        traces.set(traceId, { traceId, spans: [...all.values()] });
      }
    },
    get: (traceId: string): Trace | undefined => traces.peek(traceId),
    /** The one with the latest span first. */
    all: (): readonly Trace[] => [...traces.values()],
  };
};

const byStart = (spans: readonly Span[]): Span[] =>
  spans.toSorted((one, other) => one.startMs - other.startMs);

export type TraceSummary = ReturnType<typeof traceSummary>;

/** Name, start, duration and `httpStatus` are those of the root span, or of the earliest one without it. */
export const traceSummary = ({ traceId, spans: unsorted }: Trace) => {
  const spans = byStart(unsorted);
  const root = spans.find(({ parentSpanId }) => parentSpanId === undefined);
  const first = root ?? spans[0];
  return {
    traceId,
    /** The trace id with hyphens, as in the response's `x-request-id`. */
    requestId: traceId.replace(/^(.{8})(.{4})(.{4})(.{4})(.{12})$/, "$1-$2-$3-$4-$5"),
    name: first?.name || "(no name)",
    startedAt: new Date(first?.startMs ?? 0).toISOString(),
    durationMs: first?.durationMs ?? 0,
    httpStatus: first?.attributes["http.response.status_code"] ?? null,
    services: [...new Set(spans.map(({ service }) => service))],
    spans: spans.length,
    errors: spans.filter(({ status }) => status === "error").length,
    /** Whether the root span has arrived. */
    isComplete: root !== undefined,
  };
};

export interface SpanRow {
  readonly span: Span;
  /** 0 for a span whose parent is absent. */
  readonly depth: number;
  readonly isParentMissing: boolean;
  /** From the trace's earliest start, by the sender's clock. */
  readonly offsetMs: number;
}

/**
 * Parents before their children, siblings by their start. Clocks of machines differ, so a child may begin
 * before its parent. A cycle of parents begins with its earliest span.
 *
 * @returns the rows, and the time from the earliest start to the latest end
 */
export const waterfall = ({ spans: unsorted }: Trace) => {
  const spans = byStart(unsorted);
  const startMs = spans[0]?.startMs ?? 0;
  const ids = new Set(spans.map(({ spanId }) => spanId));
  const isRoot = ({ parentSpanId = "" }: Span): boolean => !ids.has(parentSpanId);
  const children = Map.groupBy(spans, ({ parentSpanId }) => parentSpanId);
  const rows = new Map<string, SpanRow>();
  // A stack of its own: a trace may be thousands of spans deep.
  const waiting = [...spans.filter(isRoot), ...spans].map((span) => ({ span, depth: 0 })).reverse();
  for (let next = waiting.pop(); next !== undefined; next = waiting.pop()) {
    const { span, depth } = next;
    if (rows.has(span.spanId)) continue;
    const isParentMissing = span.parentSpanId !== undefined && isRoot(span);
    rows.set(span.spanId, { span, depth, isParentMissing, offsetMs: span.startMs - startMs });
    const own = children.get(span.spanId) ?? [];
    waiting.push(...own.map((child) => ({ span: child, depth: depth + 1 })).reverse());
  }
  const endMs = spans.reduce((latest, span) => Math.max(latest, span.startMs + span.durationMs), startMs);
  return { rows: [...rows.values()], lengthMs: endMs - startMs };
};

/** The summary, and the spans in the order of the waterfall. */
export const traceJson = (trace: Trace) => ({
  ...traceSummary(trace),
  spans: waterfall(trace).rows.map(({ span, depth, offsetMs }) => ({ ...span, depth, offsetMs })),
});
