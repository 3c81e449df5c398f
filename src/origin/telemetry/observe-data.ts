/** What happens at PostgreSQL and Redis, as metrics of all operations and as spans of those whose trace is kept. */
import { Histogram, type Registry } from "prom-client";
import { BreakerOpenError, type BreakerState } from "../../resilience/circuit-breaker/circuit-breaker.ts";
import type { SpanAttributes } from "../../telemetry/spans/span.ts";
import {
  CircuitOpenError,
  DeadlineError,
  SaturatedError,
  StatementError,
  UnavailableError,
} from "../db/errors.ts";
import type { DataOperation, ObserveData } from "../db/instrument.ts";
import type { Tracing } from "./tracing.ts";

/** Seconds, as OpenTelemetry's convention for `db.client.operation.duration` recommends them. */
const BOUNDS_S = [0.001, 0.005, 0.01, 0.05, 0.1, 0.5, 1, 5, 10];
/** Of a statement's text no more is recorded. */
const MAX_TEXT_LENGTH = 1_000;

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
): SpanAttributes => ({
  "db.system.name": system,
  "db.operation.name": operation,
  ...(collection === undefined ? {} : { "db.collection.name": collection }),
  ...(text === undefined ? {} : { "db.query.text": text.slice(0, MAX_TEXT_LENGTH) }),
  ...(breaker === undefined ? {} : { "breakwater.breaker.state": breaker }),
});

const NOTHING: SpanAttributes = {};

const foundIn = (error: unknown): SpanAttributes =>
  error instanceof StatementError ? { "db.response.status_code": error.code } : NOTHING;

export interface ObserveDataOptions {
  readonly registry: Registry;
  /** @default nothing is recorded */
  readonly tracing: Tracing | undefined;
  /** Of the store's breaker, where it has one. */
  readonly breakerState: (system: DataOperation["system"]) => BreakerState | undefined;
}

export const createObserveData = ({ registry, tracing, breakerState }: ObserveDataOptions): ObserveData => {
  const duration = new Histogram({
    name: "db_client_operation_duration_seconds",
    help: "Duration of PostgreSQL and Redis operations, by error if they failed",
    labelNames: ["db_system_name", "db_operation_name", "error_type"],
    buckets: BOUNDS_S,
    registers: [registry],
  });
  const beginSpan = (operation: DataOperation) =>
    tracing?.active() &&
    tracing.beginClient(nameOf(operation), attributesOf(operation, breakerState(operation.system)));

  return (operation) => {
    const span = beginSpan(operation);
    return (error, durationMs) => {
      const errorType = error === undefined ? undefined : errorTypeOf(error);
      const labels = { db_system_name: operation.system, db_operation_name: operation.operation };
      duration.observe(
        errorType === undefined ? labels : { ...labels, error_type: errorType },
        durationMs / 1000,
      );
      span?.end(errorType, foundIn(error));
    };
  };
};
