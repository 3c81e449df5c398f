/** Traces lately received, in memory. */
import type { Span } from "./otlp-spans.ts";

export interface TraceStoreOptions {
  /** How many traces are kept; beyond it the one whose first span came first goes. @default 500 */
  readonly maxTraces?: number;
  /** How many spans of a trace are kept: the first. @default 500 */
  readonly maxSpans?: number;
  /** How much all of them together may take, in characters of JSON; beyond it the oldest trace goes. @default 67,108,864 */
  readonly maxCharacters?: number;
}

export interface Trace {
  readonly traceId: string;
  /** In the order in which they came. */
  readonly spans: readonly Span[];
  /** How many came after the trace was full. */
  readonly droppedSpans: number;
}

export interface TraceStore {
  /**
   * Puts a span to its trace. One that is there already takes the other's place: a sender that heard no answer sends
   * again. @returns false where its trace is full
   */
  add(span: Span): boolean;
  get(traceId: string): Trace | undefined;
  /** The one begun last whose id begins so. */
  find(beginning: string): Trace | undefined;
  /** The one first begun first. */
  all(): readonly Trace[];
  readonly size: number;
}

interface Kept {
  readonly traceId: string;
  readonly spans: Map<string, Span>;
  droppedSpans: number;
  characters: number;
}

const view = ({ traceId, spans, droppedSpans }: Kept): Trace => ({
  traceId,
  spans: [...spans.values()],
  droppedSpans,
});

export const createTraceStore = (options: TraceStoreOptions = {}): TraceStore => {
  const { maxTraces = 500, maxSpans = 500, maxCharacters = 64 * 1024 * 1024 } = options;
  const traces = new Map<string, Kept>();
  let characters = 0;

  const traceOf = (traceId: string): Kept => {
    const known = traces.get(traceId);
    if (known !== undefined) return known;
    const begun: Kept = { traceId, spans: new Map(), droppedSpans: 0, characters: 0 };
    traces.set(traceId, begun);
    return begun;
  };

  const forgetOldest = (): void => {
    const [oldest] = traces.values();
    if (oldest === undefined) return;
    traces.delete(oldest.traceId);
    characters -= oldest.characters;
  };

  return {
    add: (span) => {
      const trace = traceOf(span.traceId);
      const before = trace.spans.get(span.spanId);
      if (before === undefined && trace.spans.size >= maxSpans) {
        trace.droppedSpans += 1;
        return false;
      }
      const more = JSON.stringify(span).length - (before === undefined ? 0 : JSON.stringify(before).length);
      trace.spans.set(span.spanId, span);
      trace.characters += more;
      characters += more;
      while (traces.size > maxTraces || (characters > maxCharacters && traces.size > 1)) forgetOldest();
      return true;
    },
    get: (traceId) => {
      const trace = traces.get(traceId);
      return trace === undefined ? undefined : view(trace);
    },
    find: (beginning) => {
      const id = [...traces.keys()].findLast((traceId) => traceId.startsWith(beginning));
      const trace = id === undefined ? undefined : traces.get(id);
      return trace === undefined ? undefined : view(trace);
    },
    all: () => [...traces.values()].map(view),
    get size() {
      return traces.size;
    },
  };
};
