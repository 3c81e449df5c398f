/**
 * Spans that wait to be sent, in the order of their ends, bounded. Nothing is kept of a trace but these: what has not ended
 * yet is known to whoever has begun it alone.
 */
import type { Span } from "./span.ts";

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

const HALF = 2 ** 32;
const HALF_DIGITS = 8;

const half = (random: () => number): string =>
  Math.floor(random() * HALF)
    .toString(16)
    .padStart(HALF_DIGITS, "0");

/**
 * 16 hexadecimal digits, never all zero, which would be none (W3C Trace Context §3.2.2.4).
 *
 * @param random within [0, 1)
 */
export const newSpanId = (random: () => number): string => {
  const id = half(random) + half(random);
  return /[1-9a-f]/.test(id) ? id : "0000000000000001";
};
