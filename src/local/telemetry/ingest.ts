/** What is sent by OTLP over HTTP as JSON, put where it can be looked at (OTLP 1.x, "OTLP/HTTP"). */
import { type Answer, jsonAnswer, RefusedRequest } from "./answer.ts";
import { JsonAt, ShapeError } from "./json-at.ts";
import type { LogStore } from "./log-store.ts";
import type { MetricStore } from "./metric-store.ts";
import { readLogRecords } from "./otlp-logs.ts";
import { readMetricPoints } from "./otlp-metrics.ts";
import { readSpans } from "./otlp-spans.ts";
import type { ReceiverCounts, Signal } from "./receiver-counts.ts";
import { Rejections } from "./rejections.ts";
import type { TraceStore } from "./trace-store.ts";

export interface Stores {
  readonly traces: TraceStore;
  readonly metrics: MetricStore;
  readonly logs: LogStore;
  readonly counts: ReceiverCounts;
}

interface Taker {
  /** The answer's field that says how many were not taken. */
  readonly rejectedField: string;
  /** How many were taken; the others go to `rejections`. Throws a ShapeError before it takes any. */
  take(body: JsonAt, stores: Stores, rejections: Rejections): number;
}

const takers: Readonly<Record<Signal, Taker>> = {
  traces: {
    rejectedField: "rejectedSpans",
    take: (body, { traces }, rejections) => {
      const spans = readSpans(body);
      const taken = spans.filter((span) => traces.add(span)).length;
      if (taken < spans.length)
        rejections.add("a trace has all the spans that are kept of it", spans.length - taken);
      return taken;
    },
  },
  metrics: {
    rejectedField: "rejectedDataPoints",
    take: (body, { metrics }, rejections) => {
      const reasons = readMetricPoints(body, rejections).map((point) => metrics.record(point));
      const rejected = reasons.filter((reason) => reason !== undefined);
      for (const reason of rejected) rejections.add(reason);
      return reasons.length - rejected.length;
    },
  },
  logs: {
    rejectedField: "rejectedLogRecords",
    take: (body, { logs }) => {
      const records = readLogRecords(body);
      for (const record of records) logs.add(record);
      return records.length;
    },
  },
};

/** @throws RefusedRequest where the body is not JSON or not of the signal's shape: then nothing of it is kept */
export const ingest = (signal: Signal, text: string, stores: Stores): Answer => {
  const { rejectedField, take } = takers[signal];
  const rejections = new Rejections();
  const taken = refusingShapes(() => take(JsonAt.parse(text), stores, rejections));
  stores.counts.received(signal, taken);
  if (rejections.count === 0) return jsonAnswer(200, {});
  stores.counts.rejected(signal, rejections.count);
  // A 64-bit integer, which ProtoJSON writes as its digits.
  const rejected = { [rejectedField]: String(rejections.count), errorMessage: rejections.message };
  return jsonAnswer(200, { partialSuccess: rejected });
};

const refusingShapes = <T>(read: () => T): T => {
  try {
    return read();
  } catch (error) {
    throw error instanceof ShapeError ? new RefusedRequest(400, error.message) : error;
  }
};
