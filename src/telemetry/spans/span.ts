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

const ZERO = "0".repeat(16);
const eightDigits = (random: () => number): string =>
  Math.floor(random() * 2 ** 32)
    .toString(16)
    .padStart(8, "0");

/** 16 hexadecimal digits, never all zero (W3C Trace Context §3.2.2.4). @param random within [0, 1) */
export const newSpanId = (random: () => number): string => {
  const id = eightDigits(random) + eightDigits(random);
  return id === ZERO ? `${id.slice(1)}1` : id;
};

export interface SpanQueue {
  /** Dropped if the queue is full. */
  add(span: Span): void;
  readonly length: number;
  /** Takes all, the oldest first. */
  takeAll(): readonly Span[];
}

/** @param onDrop called for each dropped span */
export const createSpanQueue = (maxLength: number, onDrop: () => void): SpanQueue => {
  let spans: Span[] = [];
  return {
    add: (span) => {
      if (spans.length < maxLength) spans.push(span);
      else onDrop();
    },
    get length() {
      return spans.length;
    },
    takeAll: () => {
      const taken = spans;
      spans = [];
      return taken;
    },
  };
};
