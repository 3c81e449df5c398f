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

/** The two digits of each byte: a number's own `toString(16)` takes five times as long. */
const BYTES: readonly string[] = Array.from({ length: 256 }, (_, byte) => byte.toString(16).padStart(2, "0"));

const BYTES_OF_HALF = [24, 16, 8, 0] as const;

const half = (random: () => number): string => {
  const bits = random() * 2 ** 32;
  let digits = "";
  for (const shift of BYTES_OF_HALF) digits += BYTES[(bits >>> shift) & 0xff];
  return digits;
};

/**
 * 16 hexadecimal digits, never all zero, which would be none (W3C Trace Context §3.2.2.4).
 *
 * @param random within [0, 1)
 */
export const newSpanId = (random: () => number): string => {
  const id = half(random) + half(random);
  return id === "0000000000000000" ? "0000000000000001" : id;
};

export interface SpanQueue {
  /** What finds no room is dropped, and told. */
  add(span: Span): void;
  readonly length: number;
  /** Takes what waits, the oldest first. */
  takeAll(): readonly Span[];
}

/** @param onDrop told of each span that was dropped */
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
