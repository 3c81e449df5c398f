/** A request whose trace is kept, and the spans below its own: the port between the edge and whatever records them. */
import type { SpanAttributes } from "../../telemetry/spans/span.ts";
import type { OriginAddress } from "../config.ts";
import type { AttemptCause, AttemptRecord } from "../upstream/attempt.ts";

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
