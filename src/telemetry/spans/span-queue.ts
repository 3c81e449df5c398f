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
