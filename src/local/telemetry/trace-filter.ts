/** Which traces a list is asked for. */
import { RefusedRequest } from "./answer.ts";
import type { TraceSummary } from "./trace-summary.ts";

export interface TraceFilter {
  /** Part of the route or of the name, in either case; empty: any. */
  readonly route: string;
  /** `error` and `ok` as summaries have it, or an answer's status as `503` or `5xx`; empty: any. */
  readonly status: string;
  /** How long it took at least. */
  readonly minMs: number;
}

const STATUS = /^(?:|ok|error|[1-5](?:\d\d|xx))$/;
const MILLISECONDS = /^(?:\d{1,9}(?:\.\d{0,6})?)?$/;

/** Reads `route`, `status` and `min_ms`; what is empty or absent asks for nothing. @throws RefusedRequest */
export const readTraceFilter = (query: URLSearchParams): TraceFilter => {
  const [route = "", status = "", minMs = ""] = ["route", "status", "min_ms"].map((name) =>
    (query.get(name) ?? "").trim(),
  );
  if (!STATUS.test(status)) {
    throw new RefusedRequest(400, "status: give ok, error, or an answer's status such as 503 or 5xx");
  }
  if (!MILLISECONDS.test(minMs)) throw new RefusedRequest(400, "min_ms: give a number of milliseconds");
  return { route, status, minMs: Number(minMs) };
};

const hasStatus = ({ status, httpStatus }: TraceSummary, asked: string): boolean => {
  if (asked === "" || asked === status) return true;
  const digits = String(httpStatus ?? "");
  return asked.endsWith("xx")
    ? digits.startsWith(asked.slice(0, 1)) && digits.length === 3
    : digits === asked;
};

export const matches = (summary: TraceSummary, { route, status, minMs }: TraceFilter): boolean => {
  const sought = route.toLowerCase();
  const isRoute = [summary.route ?? "", summary.name].some((text) => text.toLowerCase().includes(sought));
  return isRoute && hasStatus(summary, status) && summary.durationMs >= minMs;
};
