/** Metrics of all operations at PostgreSQL and Redis, and spans of those in sampled traces. */
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

/** Recommended by OpenTelemetry's convention for `db.client.operation.duration`. */
const BOUNDS_S = [0.001, 0.005, 0.01, 0.05, 0.1, 0.5, 1, 5, 10];
/** The longest recorded text of a statement. */
const MAX_TEXT_LENGTH = 1_000;

const FAILED = { code: SpanStatusCode.ERROR };
const OTHER = "_OTHER";
/** Names of errors, a closed set: first ours, then those of the Redis drivers. */
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

const attributesOf = (
  { system, operation, collection, text }: DataOperation,
  breaker: BreakerState,
): Attributes => ({
  "db.system.name": system,
  "db.operation.name": operation,
  ...(collection === undefined ? {} : { "db.collection.name": collection }),
  ...(text === undefined ? {} : { "db.query.text": text.slice(0, MAX_TEXT_LENGTH) }),
  "breakwater.breaker.state": breaker,
});

/** @param breakerState of the store's breaker */
export const createObserveData = (
  meter: Meter,
  breakerState: (system: DataOperation["system"]) => BreakerState,
): ObserveData => {
  const duration = meter.createHistogram("db.client.operation.duration", {
    description: "Duration of PostgreSQL and Redis operations, by error if they failed",
    unit: "s",
    advice: { explicitBucketBoundaries: BOUNDS_S },
  });
  const tracer = trace.getTracer("breakwater");
  /** @returns undefined if the operation belongs to no sampled request */
  const startSpan = (operation: DataOperation) => {
    if (trace.getActiveSpan() === undefined) return undefined;
    const { operation: name, collection, system } = operation;
    return tracer.startSpan(collection === undefined ? name : `${name} ${collection}`, {
      kind: SpanKind.CLIENT,
      startTime: performance.now(),
      attributes: attributesOf(operation, breakerState(system)),
    });
  };

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
