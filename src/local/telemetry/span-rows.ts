/** A trace's spans in the order of a waterfall. */
import type { Span } from "./otlp-spans.ts";
import type { Trace } from "./trace-store.ts";

export interface SpanRow {
  readonly span: Span;
  /** 0 for one without a parent, or whose parent is not there. */
  readonly depth: number;
  readonly isParentMissing: boolean;
  /** From the start of the trace's earliest span, by whatever clock the span was taken. */
  readonly offsetMs: number;
}

export interface Waterfall {
  readonly rows: readonly SpanRow[];
  /** From the earliest start to the latest end. */
  readonly lengthMs: number;
}

/**
 * Parents before their children, siblings by their start. Times are as they were sent: where the clocks of two machines
 * differ, a child may begin before its parent. Spans that are each other's parents stand below the earliest of them.
 */
export const waterfall = ({ spans }: Trace): Waterfall => {
  const byStart = spans.toSorted((one, other) => one.startMs - other.startMs);
  const beginMs = byStart[0]?.startMs ?? 0;
  const ids = new Set(spans.map(({ spanId }) => spanId));
  const isChild = ({ parentSpanId }: Span): boolean => parentSpanId !== undefined && ids.has(parentSpanId);
  const children = Map.groupBy(byStart.filter(isChild), ({ parentSpanId }) => parentSpanId);
  const seen = new Set<string>();
  const rows: SpanRow[] = [];

  const visit = (span: Span, depth: number): void => {
    if (seen.has(span.spanId)) return;
    seen.add(span.spanId);
    const isParentMissing = span.parentSpanId !== undefined && !ids.has(span.parentSpanId);
    rows.push({ span, depth, isParentMissing, offsetMs: span.startMs - beginMs });
    for (const child of children.get(span.spanId) ?? []) visit(child, depth + 1);
  };
  for (const span of byStart) if (!isChild(span)) visit(span, 0);
  for (const span of byStart) visit(span, 0);
  const endMs = Math.max(...spans.map(({ startMs, durationMs }) => startMs + durationMs), beginMs);
  return { rows, lengthMs: endMs - beginMs };
};
