/** A span, as data (OpenTelemetry specification, "Trace API", "Span"). */

export type SpanAttributes = Readonly<Record<string, string | number | boolean>>;

/** `server`: a request that was answered. `client`: one that was made. */
export type SpanKind = "server" | "client";

export interface Span {
  /** 32 hexadecimal digits. */
  readonly traceId: string;
  /** 16 hexadecimal digits. */
  readonly spanId: string;
  /** Undefined for the first one of a trace. */
  readonly parentSpanId: string | undefined;
  readonly name: string;
  readonly kind: SpanKind;
  /** Epoch milliseconds. */
  readonly startMs: number;
  readonly endMs: number;
  readonly attributes: SpanAttributes;
  /** Why it failed, as `error.type` has it; undefined where nothing was wrong. */
  readonly errorType: string | undefined;
}
