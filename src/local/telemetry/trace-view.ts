/** A trace as its page and its JSON show it. */
import type { Span } from "./otlp.ts";
import type { Trace } from "./stores.ts";

export interface TraceSummary {
  readonly traceId: string;
  /** The trace id with hyphens, as in the response's `x-request-id`. */
  readonly requestId: string;
  /** Name, start (ISO 8601), duration and `http.response.status_code` of the root span, or of the earliest one without it. */
  readonly name: string;
  readonly startedAt: string;
  readonly durationMs: number;
  readonly httpStatus: number | null;
  /** `http.route` of the first span that has one. */
  readonly route: string | null;
  /** `error` if any span has that status. */
  readonly status: "ok" | "error";
  readonly services: readonly string[];
  readonly spans: number;
  readonly errors: number;
  /** Spans that arrived when the trace was full. */
  readonly droppedSpans: number;
  /** Whether the root span has arrived. */
  readonly isComplete: boolean;
}

const byStart = (spans: readonly Span[]): Span[] =>
  spans.toSorted((one, other) => one.startMs - other.startMs);

export const traceSummary = ({ traceId, spans: unsorted, droppedSpans }: Trace): TraceSummary => {
  const spans = byStart(unsorted);
  const root = spans.find(({ parentSpanId }) => parentSpanId === undefined);
  const first = root ?? spans[0];
  const httpStatus = first?.attributes["http.response.status_code"];
  const route = [first, ...spans].map((span) => span?.attributes["http.route"]).find((value) => value);
  const errors = spans.filter(({ status }) => status === "error").length;
  return {
    traceId,
    requestId: traceId.replace(/^(.{8})(.{4})(.{4})(.{4})(.{12})$/, "$1-$2-$3-$4-$5"),
    name: first?.name ?? "",
    startedAt: new Date(first?.startMs ?? 0).toISOString(),
    durationMs: first?.durationMs ?? 0,
    httpStatus: typeof httpStatus === "number" ? httpStatus : null,
    route: typeof route === "string" ? route : null,
    status: errors > 0 ? "error" : "ok",
    services: [...new Set(spans.map(({ service }) => service))],
    spans: spans.length,
    errors,
    droppedSpans,
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
 * Parents before their children, siblings by their start. Clocks of machines differ, so a child may begin before its
 * parent. A cycle of parents begins with its earliest span.
 *
 * @returns the rows, and the time from the earliest start to the latest end
 */
export const waterfall = ({ spans: unsorted }: Trace): { rows: readonly SpanRow[]; lengthMs: number } => {
  const spans = byStart(unsorted);
  const startMs = spans[0]?.startMs ?? 0;
  const ids = new Set(spans.map(({ spanId }) => spanId));
  const isRoot = ({ parentSpanId = "" }: Span): boolean => !ids.has(parentSpanId);
  const children = Map.groupBy(spans, ({ parentSpanId }) => parentSpanId);
  const rows = new Map<string, SpanRow>();
  const visit = (span: Span, depth: number): void => {
    if (rows.has(span.spanId)) return;
    const isParentMissing = span.parentSpanId !== undefined && isRoot(span);
    rows.set(span.spanId, { span, depth, isParentMissing, offsetMs: span.startMs - startMs });
    for (const child of children.get(span.spanId) ?? []) visit(child, depth + 1);
  };
  for (const span of [...spans.filter(isRoot), ...spans]) visit(span, 0);
  const endMs = Math.max(startMs, ...spans.map((span) => span.startMs + span.durationMs));
  return { rows: [...rows.values()], lengthMs: endMs - startMs };
};

/** The summary, and the spans in the order of the waterfall; absent values are null. */
export const traceJson = (trace: Trace) => ({
  ...traceSummary(trace),
  spans: waterfall(trace).rows.map(({ span: { traceId: _, ...span }, depth, offsetMs }) => ({
    ...span,
    parentSpanId: span.parentSpanId ?? null,
    instance: span.instance ?? null,
    depth,
    offsetMs,
  })),
});
