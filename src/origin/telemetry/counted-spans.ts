/**
 * The SDK's batches with a bound that counts: what a collector that is away or hangs costs are spans, and each of them is
 * counted.
 */
import type { ReadableSpan, SpanExporter, SpanProcessor } from "@opentelemetry/sdk-trace";
import type { Failing } from "../failing.ts";
import type { TelemetryCounts } from "./telemetry-counts.ts";

/** So many spans wait or are on their way at most. */
export const MAX_WAITING = 4_096;

/** `ExportResultCode.SUCCESS` of `@opentelemetry/core`. */
const SUCCESS = 0;

export interface CountedExporter extends SpanExporter {
  /** Spans that have ended, and of which nobody knows yet whether they were taken. */
  waiting: number;
}

/** @param told of how each export ends */
export const countedExporter = (
  exporter: SpanExporter,
  counts: TelemetryCounts,
  told: Failing,
): CountedExporter => {
  const counted: CountedExporter = {
    waiting: 0,
    export: (spans, done) => {
      exporter.export(spans, (result) => {
        counted.waiting -= spans.length;
        if (result.code === SUCCESS) {
          counts.exported("traces", spans.length);
          told.succeeded();
        } else {
          counts.dropped("traces", "export_failed", spans.length);
          told.failed(result.error);
        }
        done(result);
      });
    },
    // What is on its way arrives first.
    shutdown: async () => {
      await exporter.forceFlush?.();
      await exporter.shutdown();
    },
    forceFlush: async () => await exporter.forceFlush?.(),
  };
  return counted;
};

export const countedProcessor = (
  batches: SpanProcessor,
  exporter: CountedExporter,
  counts: TelemetryCounts,
): SpanProcessor => {
  let isOver = false;
  return {
    onStart: (span, parent) => batches.onStart(span, parent),
    onEnd: (span: ReadableSpan) => {
      if (isOver || exporter.waiting >= MAX_WAITING) {
        counts.dropped("traces", isOver ? "export_failed" : "queue_full", 1);
        return;
      }
      exporter.waiting += 1;
      batches.onEnd(span);
    },
    forceFlush: () => batches.forceFlush(),
    shutdown: async () => {
      isOver = true;
      await batches.shutdown();
    },
  };
};
