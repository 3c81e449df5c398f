/** What happens at PostgreSQL and Redis, as metrics of all operations and as spans of those whose trace is kept. */
import { type Attributes, type Meter, SpanKind, SpanStatusCode, trace } from "@opentelemetry/api";
import { BreakerOpenError, type BreakerState } from "../../resilience/circuit-breaker/circuit-breaker.ts";
import {
  CircuitOpenError,
  DeadlineError,
  SaturatedError,
  StatementError,
  UnavailableError,
} from "../db/errors.ts";
import type { DataOperation, ObserveData } from "../db/instrument.ts";

/** Seconds, as OpenTelemetry's convention for `db.client.operation.duration` recommends them. */
const BOUNDS_S = [0.001, 0.005, 0.01, 0.05, 0.1, 0.5, 1, 5, 10];
/** Of a statement's text no more is recorded. */
const MAX_TEXT_LENGTH = 1_000;

const FAILED = { code: SpanStatusCode.ERROR };
const OTHER = "_OTHER";
/** The errors by which operations fail, by their names: a closed set. First ours, then those of Redis' drivers. */
const ERRORS: ReadonlySet<string> = new Set([
  CircuitOpenError.name,
  SaturatedError.name,
  UnavailableError.name,
  DeadlineError.name,
  StatementError.name,
  BreakerOpenError.name,
  "ReplyError",
  "UpstashError",
  "MaxRetriesPerRequestError",
  "TimeoutError",
  "AbortError",
]);

const errorTypeOf = (error: unknown): string =>
  error instanceof Error && ERRORS.has(error.name) ? error.name : OTHER;

const nameOf = ({ operation, collection }: DataOperation): string =>
  collection === undefined ? operation : `${operation} ${collection}`;

const attributesOf = (
  { system, operation, collection, text }: DataOperation,
  breaker: BreakerState | undefined,
): Attributes => ({
  "db.system.name": system,
  "db.operation.name": operation,
  ...(collection === undefined ? {} : { "db.collection.name": collection }),
  ...(text === undefined ? {} : { "db.query.text": text.slice(0, MAX_TEXT_LENGTH) }),
  ...(breaker === undefined ? {} : { "breakwater.breaker.state": breaker }),
});

export interface ObserveDataOptions {
  readonly meter: Meter;
  /** Of the store's breaker, where it has one. */
  readonly breakerState: (system: DataOperation["system"]) => BreakerState | undefined;
}

export const createObserveData = ({ meter, breakerState }: ObserveDataOptions): ObserveData => {
  const duration = meter.createHistogram("db.client.operation.duration", {
    description: "Duration of PostgreSQL and Redis operations, by error if they failed",
    unit: "s",
    advice: { explicitBucketBoundaries: BOUNDS_S },
  });
  const tracer = trace.getTracer("breakwater");
  /** @returns undefined if the operation belongs to no sampled request */
  const startSpan = (operation: DataOperation) =>
    trace.getActiveSpan() &&
    tracer.startSpan(nameOf(operation), {
      kind: SpanKind.CLIENT,
      startTime: performance.now(),
      attributes: attributesOf(operation, breakerState(operation.system)),
    });

  return (operation) => {
    const span = startSpan(operation);
    return (error, durationMs) => {
      const errorType = error === undefined ? undefined : errorTypeOf(error);
      const labels: Attributes = {
        "db.system.name": operation.system,
        "db.operation.name": operation.operation,
      };
      if (errorType !== undefined) labels["error.type"] = errorType;
      duration.record(durationMs / 1_000, labels);
      if (errorType !== undefined) span?.setAttribute("error.type", errorType).setStatus(FAILED);
      if (error instanceof StatementError) span?.setAttribute("db.response.status_code", error.code);
      span?.end(performance.now());
    };
  };
};
