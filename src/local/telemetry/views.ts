/** What can be looked at: pages for people, the same as JSON, and metrics for Prometheus. */
import { type Answer, jsonAnswer, RefusedRequest } from "./answer.ts";
import type { Stores } from "./ingest.ts";
import type { LogRecord } from "./otlp-logs.ts";
import type { Span } from "./otlp-spans.ts";
import { EXPOSITION_TYPE, expositionText } from "./prometheus-text.ts";
import { waterfall } from "./span-rows.ts";
import { matches, readTraceFilter } from "./trace-filter.ts";
import { tracePage } from "./trace-page.ts";
import type { Trace } from "./trace-store.ts";
import { type TraceSummary, traceSummary } from "./trace-summary.ts";
import { tracesPage } from "./traces-page.ts";

/** `/traces.json`: newest first. */
export interface TracesJson {
  readonly traces: readonly TraceSummary[];
}

/** `/traces/ID.json`: the summary, and the spans in the order of the waterfall; what is absent is null. */
export interface TraceJson extends Omit<TraceSummary, "spans"> {
  readonly spans: readonly SpanJson[];
}

export type SpanJson = Omit<Span, "traceId" | "parentSpanId" | "instance"> & {
  readonly parentSpanId: string | null;
  readonly instance: string | null;
  readonly depth: number;
  readonly offsetMs: number;
};

/** `/logs.json`: newest first, by when they came; what is absent is null. */
export interface LogsJson {
  readonly logs: readonly (Omit<LogRecord, "timeMs" | "traceId" | "spanId"> & {
    /** ISO 8601. */
    readonly time: string;
    readonly traceId: string | null;
    readonly spanId: string | null;
  })[];
}

const spanJson = ({ traceId: _, ...span }: Span, depth: number, offsetMs: number): SpanJson => ({
  ...span,
  parentSpanId: span.parentSpanId ?? null,
  instance: span.instance ?? null,
  depth,
  offsetMs,
});

const traceJson = (trace: Trace): TraceJson => ({
  ...traceSummary(trace),
  spans: waterfall(trace).rows.map(({ span, depth, offsetMs }) => spanJson(span, depth, offsetMs)),
});

const logsJson = ({ logs }: Stores): LogsJson => ({
  logs: logs
    .all()
    .toReversed()
    .map(({ timeMs, traceId, spanId, ...record }) => ({
      time: new Date(timeMs).toISOString(),
      ...record,
      traceId: traceId ?? null,
      spanId: spanId ?? null,
    })),
});

/** Those that the query asks for, newest first. @throws RefusedRequest */
const listed = ({ traces }: Stores, query: URLSearchParams) => {
  const filter = readTraceFilter(query);
  const summaries = traces
    .all()
    .toReversed()
    .map(traceSummary)
    .filter((summary) => matches(summary, filter))
    .sort(({ startedAt: one }, { startedAt: other }) => (one < other ? 1 : one > other ? -1 : 0));
  return { filter, summaries };
};

/** As many digits as log lines show of an id in a terminal. */
const SHORT_ID = 8;

/** @param id a trace id, a request id, which is one with hyphens, or its first 8 digits or more @throws RefusedRequest */
const traceOf = ({ traces }: Stores, id: string): Trace => {
  const digits = id.replaceAll("-", "").toLowerCase();
  const trace = digits.length < SHORT_ID ? undefined : traces.find(digits);
  if (trace !== undefined) return trace;
  throw new RefusedRequest(
    404,
    `There is no trace ${id} here. It may not have been sampled, may not have come yet (spans are sent some seconds after the answer), or may have made room for newer ones.`,
  );
};

type View = (stores: Stores, query: URLSearchParams, id: string) => Answer;

const views: readonly (readonly [path: RegExp, view: View])[] = [
  [
    /^\/$/,
    (stores, query) => {
      const { summaries, filter } = listed(stores, query);
      return tracesPage(summaries, filter, stores.traces.size);
    },
  ],
  [
    /^\/traces\.json$/,
    (stores, query) => jsonAnswer(200, { traces: listed(stores, query).summaries } satisfies TracesJson),
  ],
  [
    /^\/traces\/([0-9a-fA-F-]{1,64})\.json$/,
    (stores, _, id) => jsonAnswer(200, traceJson(traceOf(stores, id))),
  ],
  [/^\/traces\/([0-9a-fA-F-]{1,64})$/, (stores, _, id) => tracePage(traceOf(stores, id))],
  [/^\/logs\.json$/, (stores) => jsonAnswer(200, logsJson(stores))],
  [
    /^\/metrics$/,
    ({ metrics, counts }) => ({
      status: 200,
      headers: { "content-type": EXPOSITION_TYPE },
      body: expositionText([...metrics.families(), ...counts.families()]),
    }),
  ],
];

/** What `GET` answers. @throws RefusedRequest, 404 for what there is nothing of */
export const viewOf = (path: string, query: URLSearchParams, stores: Stores): Answer => {
  for (const [pattern, view] of views) {
    const [match, id = ""] = pattern.exec(path) ?? [];
    if (match !== undefined) return view(stores, query, id);
  }
  if (path.startsWith("/traces/")) {
    throw new RefusedRequest(
      404,
      "A trace id is 32 hex digits, with or without a request id's hyphens, or the first 8 of them.",
    );
  }
  throw new RefusedRequest(404, "There is nothing at this path.");
};
