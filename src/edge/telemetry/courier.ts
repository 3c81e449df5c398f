/**
 * Takes an isolate's spans and metrics to the collector, behind the answers. A collector that is away, or hangs, costs spans,
 * which are counted; metrics are cumulative, so that the next set has what the last one had.
 */
import type { Exchange } from "../../core/guards/exchange.ts";
import type { Meter } from "../../core/telemetry/metrics/meter.ts";
import { otlpMetrics } from "../../core/telemetry/otlp/metrics.ts";
import { otlpSpans } from "../../core/telemetry/otlp/spans.ts";
import type { SpanQueue } from "../../core/telemetry/spans/span-queue.ts";
import { createRounds } from "../rounds.ts";
import type { SendTelemetry } from "./collector.ts";
import type { EdgeMetrics } from "./edge-metrics.ts";

export interface TelemetryCourierDependencies {
  readonly spans: SpanQueue;
  readonly meter: Meter;
  readonly metrics: Pick<EdgeMetrics, "exported" | "dropped">;
  readonly send: SendTelemetry;
  /** What spans and metrics are of. */
  readonly resource: Readonly<Record<string, string>>;
  /** How long metrics are gathered, milliseconds. */
  readonly metricIntervalMs: number;
  /** Epoch milliseconds. */
  readonly now: () => number;
}

/** So long a first span waits for others, milliseconds. */
const GATHER_MS = 1_000;
/** What one request to the collector holds at most. */
const MAX_BATCH = 512;
const FIRST_BACKOFF_MS = 1_000;
const LONGEST_BACKOFF_MS = 30_000;

/** @returns to be called with every request */
export const createTelemetryCourier = (
  dependencies: TelemetryCourierDependencies,
): ((inBackground: Exchange["inBackground"]) => void) => {
  const { spans, meter, metrics, send, resource, metricIntervalMs, now } = dependencies;
  const scope = { name: "breakwater-edge" };
  let sentRevision = 0;
  /** Whether requests have been counted since metrics were sent. */
  let isCounted = false;
  let metricsDueAtMs = Number.NEGATIVE_INFINITY;
  let notBeforeMs = Number.NEGATIVE_INFINITY;
  let backoffMs = FIRST_BACKOFF_MS;

  const settle = (isTaken: boolean): void => {
    backoffMs = isTaken ? FIRST_BACKOFF_MS : Math.min(2 * backoffMs, LONGEST_BACKOFF_MS);
    notBeforeMs = isTaken ? Number.NEGATIVE_INFINITY : now() + backoffMs;
  };

  const takeSpans = async (): Promise<void> => {
    const batch = spans.take(MAX_BATCH);
    if (batch.length === 0) return;
    const isTaken = await send("traces", JSON.stringify(otlpSpans(batch, resource, scope)));
    if (isTaken) metrics.exported("traces", batch.length);
    else metrics.dropped("traces", "export_failed", batch.length);
    settle(isTaken);
  };

  const takeMetrics = async (): Promise<void> => {
    isCounted = false;
    metricsDueAtMs = now() + metricIntervalMs;
    const snapshot = meter.collect();
    if (snapshot.revision === sentRevision) return;
    const isTaken = await send("metrics", JSON.stringify(otlpMetrics(snapshot, resource, scope)));
    if (isTaken) {
      sentRevision = snapshot.revision;
      metrics.exported("metrics", 1);
    } else {
      metrics.dropped("metrics", "export_failed", 1);
    }
    settle(isTaken);
  };

  const tend = createRounds({
    nextAtMs: () => {
      if (spans.length === 0 && !isCounted) return undefined;
      return Math.max(spans.length > 0 ? Number.NEGATIVE_INFINITY : metricsDueAtMs, notBeforeMs);
    },
    round: async () => {
      await takeSpans();
      if (now() >= Math.max(metricsDueAtMs, notBeforeMs)) await takeMetrics();
    },
    atLeastMs: GATHER_MS,
    now,
  });

  return (inBackground) => {
    isCounted = true;
    tend(inBackground);
  };
};
