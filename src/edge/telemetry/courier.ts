/**
 * Takes an isolate's spans and metrics to the collector, behind the answers. A collector that is away, or hangs, costs spans,
 * which are counted; metrics are cumulative, so that the next set has what the last one had.
 */

import { timeoutSignal } from "../../lib/async.ts";
import type { WaitUntil } from "../../middleware/context/index.ts";
import type { Meter } from "../../telemetry/metrics/meter.ts";
import { otlpMetrics, otlpSpans } from "../../telemetry/otlp.ts";
import type { SpanQueue } from "../../telemetry/spans/span.ts";
import { createWaitUntilLoop } from "../wait-until-loop.ts";
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
const FIRST_BACKOFF_MS = 1_000;
const LONGEST_BACKOFF_MS = 30_000;

/** When one signal may be sent again: each has its own, as a collector may take the one and not the other. */
const backoff = (now: () => number) => {
  let notBeforeMs = Number.NEGATIVE_INFINITY;
  let backoffMs = FIRST_BACKOFF_MS;
  return {
    /** A clock that was set back delays nothing for longer. */
    notBeforeMs: () => (notBeforeMs - now() > LONGEST_BACKOFF_MS ? now() : notBeforeMs),
    settle: (isTaken: boolean): void => {
      notBeforeMs = isTaken ? Number.NEGATIVE_INFINITY : now() + backoffMs;
      backoffMs = isTaken ? FIRST_BACKOFF_MS : Math.min(2 * backoffMs, LONGEST_BACKOFF_MS);
    },
  };
};

/** @returns to be called with every request */
export const createTelemetryCourier = (
  dependencies: TelemetryCourierDependencies,
): ((waitUntil: WaitUntil) => void) => {
  const { spans, meter, metrics, send, resource, metricIntervalMs, now } = dependencies;
  const scope = { name: "breakwater-edge" };
  /** Whether requests have been counted since metrics were taken. */
  let isCounted = false;
  let metricsDueAtMs = Number.NEGATIVE_INFINITY;
  /** Spans that are on their way. */
  let underWay = 0;
  const ofSpans = backoff(now);
  const ofMetrics = backoff(now);

  const spansAtMs = (): number => (spans.length > 0 ? ofSpans.notBeforeMs() : Number.POSITIVE_INFINITY);
  const metricsAtMs = (): number => {
    if (!isCounted) return Number.POSITIVE_INFINITY;
    const dueAtMs = metricsDueAtMs - now() > metricIntervalMs ? now() : metricsDueAtMs;
    return Math.max(dueAtMs, ofMetrics.notBeforeMs());
  };

  const takeSpans = async (): Promise<void> => {
    // There is one round at a time: who has had these was ended by the platform.
    if (underWay > 0) metrics.dropped("traces", "export_failed", underWay);
    // All of them: there are as many as may wait, and no more.
    const batch = spans.takeAll();
    underWay = batch.length;
    const isTaken = await send("traces", JSON.stringify(otlpSpans(batch, resource, scope)));
    underWay = 0;
    if (isTaken) metrics.exported("traces", batch.length);
    else metrics.dropped("traces", "export_failed", batch.length);
    ofSpans.settle(isTaken);
  };

  const takeMetrics = async (): Promise<void> => {
    isCounted = false;
    metricsDueAtMs = now() + metricIntervalMs;
    const isTaken = await send("metrics", JSON.stringify(otlpMetrics(meter.collect(), resource, scope)));
    if (isTaken) metrics.exported("metrics", 1);
    else {
      metrics.dropped("metrics", "export_failed", 1);
      isCounted = true;
      metricsDueAtMs = now();
    }
    ofMetrics.settle(isTaken);
  };

  const tend = createWaitUntilLoop({
    nextAtMs: () => {
      const atMs = Math.min(spansAtMs(), metricsAtMs());
      return atMs === Number.POSITIVE_INFINITY ? undefined : atMs;
    },
    run: async () => {
      const nowMs = now();
      const areSpansDue = spansAtMs() <= nowMs;
      const areMetricsDue = metricsAtMs() <= nowMs;
      // At once, so that a round takes no longer than one of them.
      await Promise.all([areSpansDue ? takeSpans() : undefined, areMetricsDue ? takeMetrics() : undefined]);
    },
    intervalMs: GATHER_MS,
    now,
  });

  return (waitUntil) => {
    isCounted = true;
    tend(waitUntil);
  };
};

export interface CollectorOptions {
  /** Its base address, without a trailing slash; `/v1/traces` and `/v1/metrics` are below it. */
  readonly endpoint: string;
  /** By which it knows the edge. */
  readonly headers: Readonly<Record<string, string>>;
  readonly fetch: typeof globalThis.fetch;
}

export const SIGNALS = ["traces", "metrics"] as const;
export type Signal = (typeof SIGNALS)[number];

/** @returns whether it was taken; never rejects */
export type SendTelemetry = (signal: Signal, body: string) => Promise<boolean>;

/** It is not waited for longer, milliseconds. */
const TIMEOUT_MS = 5_000;

export const createSendTelemetry =
  ({ endpoint, headers, fetch }: CollectorOptions): SendTelemetry =>
  async (signal, body) => {
    const ending = timeoutSignal(TIMEOUT_MS);
    try {
      const response = await fetch(`${endpoint}/v1/${signal}`, {
        method: "POST",
        headers: { ...headers, "content-type": "application/json" },
        body,
        // The collector's headers may be secret.
        redirect: "manual",
        signal: ending.signal,
      });
      await response.body?.cancel();
      return response.ok;
    } catch {
      return false;
    } finally {
      ending.clear();
    }
  };
