/** The latest traces and log records received, in memory. */
import type { LogRecord, Span } from "./otlp.ts";

export interface TraceStoreOptions {
  /** Beyond it, the trace whose first span came first is dropped. @default 500 */
  readonly maxTraces?: number;
  /** Spans kept per trace: the first. @default 500 */
  readonly maxSpans?: number;
  /** Characters of JSON of all traces together; beyond it, the oldest is dropped. @default 67,108,864 */
  readonly maxCharacters?: number;
}

export interface Trace {
  readonly traceId: string;
  /** In the order of arrival. */
  readonly spans: readonly Span[];
  /** Spans that arrived when the trace was full. */
  readonly droppedSpans: number;
}

export interface TraceStore {
  /**
   * A span that arrives again replaces the earlier one: exporters retry.
   *
   * @returns false if its trace is full
   */
  add(span: Span): boolean;
  get(traceId: string): Trace | undefined;
  /** Oldest first. */
  all(): readonly Trace[];
  readonly size: number;
}

interface StoredTrace {
  readonly spans: Map<string, Span>;
  droppedSpans: number;
  characters: number;
}

const sizeOf = (value: Span | undefined): number => (value === undefined ? 0 : JSON.stringify(value).length);

const view = (traceId: string, { spans, droppedSpans }: StoredTrace): Trace => ({
  traceId,
  spans: [...spans.values()],
  droppedSpans,
});

export const createTraceStore = (options: TraceStoreOptions = {}): TraceStore => {
  const { maxTraces = 500, maxSpans = 500, maxCharacters = 64 * 1024 * 1024 } = options;
  const traces = new Map<string, StoredTrace>();
  let characters = 0;

  const dropOldest = (): void => {
    const [oldest] = traces;
    if (oldest === undefined) return;
    traces.delete(oldest[0]);
    characters -= oldest[1].characters;
  };

  return {
    add: (span) => {
      const trace = traces.get(span.traceId) ?? { spans: new Map(), droppedSpans: 0, characters: 0 };
      traces.set(span.traceId, trace);
      const previous = trace.spans.get(span.spanId);
      if (previous === undefined && trace.spans.size >= maxSpans) {
        trace.droppedSpans += 1;
        return false;
      }
      const added = sizeOf(span) - sizeOf(previous);
      trace.spans.set(span.spanId, span);
      trace.characters += added;
      characters += added;
      while (traces.size > maxTraces || (characters > maxCharacters && traces.size > 1)) dropOldest();
      return true;
    },
    get: (traceId) => {
      const trace = traces.get(traceId);
      return trace && view(traceId, trace);
    },
    all: () => [...traces].map(([traceId, trace]) => view(traceId, trace)),
    get size() {
      return traces.size;
    },
  };
};

export interface LogStore {
  add(record: LogRecord): void;
  /** In the order of arrival. */
  all(): readonly LogRecord[];
}

/** @param maxRecords beyond it, the oldest is dropped */
export const createLogStore = (maxRecords = 1_000): LogStore => {
  const records: LogRecord[] = [];
  return {
    add: (record) => {
      records.push(record);
      if (records.length > maxRecords) records.shift();
    },
    all: () => [...records],
  };
};
