/**
 * Spans of an isolate. Whether a request is recorded is decided before it comes here, so that one that is not costs nothing;
 * a span waits to be sent from its end on, and nothing else is kept of a trace.
 */
import { AsyncLocalStorage } from "node:async_hooks";
import { newSpanId, type Span, type SpanAttributes, type SpanQueue } from "../../telemetry/spans/span.ts";
import type { OriginAddress } from "../config.ts";
import type { RedisCommand } from "../stores/redis.ts";
import type { AttemptCause, AttemptRecord } from "../upstream/attempt.ts";
import { attemptError, serverOf } from "./edge-metrics.ts";

const nameOf = (error: unknown): string => (error instanceof Error ? error.name : "_OTHER");

/** @param traceId 32 hexadecimal digits @param startedMs epoch milliseconds */
export type BeginTrace = (traceId: string, startedMs: number) => RequestTrace;

/** @param random within [0, 1) */
export const createTracing =
  (queue: SpanQueue, random: () => number): BeginTrace =>
  (traceId, startedMs) => {
    const spanId = newSpanId(random);

    const client = (span: Pick<Span, "spanId" | "name" | "startMs" | "endMs" | "attributes" | "errorType">) =>
      queue.add({ ...span, traceId, parentSpanId: spanId, kind: "client" });

    return {
      traceId,
      spanId,
      beginAttempt: ({ number, cause, method, address, startedMs: startMs }) => {
        const id = newSpanId(random);
        return {
          spanId: id,
          end: (outcome, status, endMs) => {
            const { host, port } = serverOf(address.url);
            const attributes: SpanAttributes = {
              "http.request.method": method,
              "server.address": host,
              "server.port": port,
              "breakwater.attempt.number": number,
              "breakwater.attempt.cause": cause,
              "breakwater.attempt.outcome": outcome,
              ...(cause === "retry" ? { "http.request.resend_count": number - 1 } : {}),
              ...(status === undefined ? {} : { "http.response.status_code": status }),
            };
            const errorType = attemptError(outcome, status);
            client({ spanId: id, name: method, startMs, endMs, attributes, errorType });
          },
        };
      },
      beginCommand: (name, startMs) => ({
        end: (error, endMs) =>
          client({
            spanId: newSpanId(random),
            name,
            startMs,
            endMs,
            attributes: { "db.system.name": "redis", "db.operation.name": name },
            errorType: error === undefined ? undefined : nameOf(error),
          }),
      }),
      end: (name, status, attributes, endMs) =>
        queue.add({
          traceId,
          spanId,
          parentSpanId: undefined,
          name,
          kind: "server",
          startMs: startedMs,
          endMs,
          attributes: { ...attributes, "http.response.status_code": status },
          errorType: status >= 500 ? String(status) : undefined,
        }),
    };
  };

export interface ActiveTrace {
  /** Undefined where the request's trace is not kept. */
  get(): RequestTrace | undefined;
  run<T>(trace: RequestTrace | undefined, work: () => T): T;
}

export const createActiveTrace = (): ActiveTrace => {
  const storage = new AsyncLocalStorage<RequestTrace>();
  return {
    get: () => storage.getStore(),
    run: (trace, work) => (trace === undefined ? work() : storage.run(trace, work)),
  };
};

export interface BegunAttempt {
  /** From 1. */
  readonly number: number;
  readonly cause: AttemptCause;
  readonly method: string;
  readonly address: OriginAddress;
  /** Epoch milliseconds. */
  readonly startedMs: number;
}

export interface AttemptTrace {
  /** 16 hexadecimal digits: the parent of what the origin records. */
  readonly spanId: string;
  /** @param status the answer's, where there is one @param endedMs epoch milliseconds */
  end(outcome: AttemptRecord["outcome"], status: number | undefined, endedMs: number): void;
}

export interface CommandTrace {
  /** @param error what the command was refused with, or why there is no reply; undefined where there is one */
  end(error: unknown, endedMs: number): void;
}

export interface RequestTrace {
  /** 32 hexadecimal digits. */
  readonly traceId: string;
  /** 16 hexadecimal digits: the request's own span. */
  readonly spanId: string;
  beginAttempt(attempt: BegunAttempt): AttemptTrace;
  /** A command to Redis. @param name such as HMGET */
  beginCommand(name: string, startedMs: number): CommandTrace;
  /** Ends the request's own span; others may go on. @param name as in `GET /products/:id` */
  end(name: string, status: number, attributes: SpanAttributes, endedMs: number): void;
}

/** @param now epoch milliseconds */
export const tracedRedis =
  (redis: RedisCommand, active: ActiveTrace, now: () => number): RedisCommand =>
  (...parts) => {
    const command = active.get()?.beginCommand(parts[0].toUpperCase(), now());
    const reply = redis(...parts);
    if (command === undefined) return reply;
    return reply.then(
      (value) => {
        command.end(undefined, now());
        return value;
      },
      (error: unknown) => {
        command.end(error, now());
        throw error;
      },
    );
  };
