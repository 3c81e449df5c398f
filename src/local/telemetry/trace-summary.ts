/** What a list says of a trace. */
import type { Span } from "./otlp-spans.ts";
import type { Trace } from "./trace-store.ts";

export interface TraceSummary {
  readonly traceId: string;
  /** The trace id with hyphens, as the answer's `x-request-id` has it. */
  readonly requestId: string;
  /** The name of the span that all began with, or else, while its like is missing, of the earliest one. */
  readonly name: string;
  /** `http.route` of the first span that has one. */
  readonly route: string | null;
  /** ISO 8601. */
  readonly startedAt: string;
  /** How long that span took. */
  readonly durationMs: number;
  /** `error` where any span has that status. */
  readonly status: "ok" | "error";
  /** `http.response.status_code` of that span. */
  readonly httpStatus: number | null;
  readonly services: readonly string[];
  readonly spans: number;
  readonly errors: number;
  /** How many spans came when the trace was full. */
  readonly droppedSpans: number;
  /** Whether the span that all began with is there. */
  readonly isComplete: boolean;
}

/** 32 hex digits as a UUID. */
export const requestIdOf = (traceId: string): string =>
  traceId.replace(/^(.{8})(.{4})(.{4})(.{4})(.{12})$/, "$1-$2-$3-$4-$5");

export const isError = ({ status }: Span): boolean => status === "error";

const text = (span: Span | undefined, key: string): string | undefined => {
  const value = span?.attributes[key];
  return typeof value === "string" && value !== "" ? value : undefined;
};

const ROUTE = "http.route";

export const traceSummary = ({ traceId, spans, droppedSpans }: Trace): TraceSummary => {
  const byStart = spans.toSorted((one, other) => one.startMs - other.startMs);
  const root = byStart.find(({ parentSpanId }) => parentSpanId === undefined);
  const first = root ?? byStart[0];
  const httpStatus = first?.attributes["http.response.status_code"];
  const errors = spans.filter(isError).length;
  return {
    traceId,
    requestId: requestIdOf(traceId),
    name: first?.name ?? "",
    route:
      text(first, ROUTE) ??
      text(
        byStart.find((span) => text(span, ROUTE) !== undefined),
        ROUTE,
      ) ??
      null,
    startedAt: new Date(first?.startMs ?? 0).toISOString(),
    durationMs: first?.durationMs ?? 0,
    status: errors > 0 ? "error" : "ok",
    httpStatus: typeof httpStatus === "number" ? httpStatus : null,
    services: [...new Set(byStart.map(({ service }) => service))],
    spans: spans.length,
    errors,
    droppedSpans,
    isComplete: root !== undefined,
  };
};
