/**
 * Sends an isolate's spans and metrics to the collector after the responses, by OTLP over HTTP. A collector that is away or
 * hangs costs spans, which are counted. Metrics are cumulative: what one export lost is in the next.
 */
import { JsonMetricsSerializer, JsonTraceSerializer } from "@opentelemetry/otlp-transformer";
import { resourceFromAttributes } from "@opentelemetry/resources";
import type { ReadableSpan } from "@opentelemetry/sdk-trace";
import { timeoutSignal } from "../../lib/async.ts";
import type { WaitUntil } from "../../middleware/context/index.ts";
import type { TelemetryCounts } from "../../telemetry/instruments.ts";
import { type CollectedMetrics, SCOPE } from "../../telemetry/meter-provider.ts";
import { createWaitUntilLoop } from "../wait-until-loop.ts";
import type { Signal } from "./metrics.ts";

export interface TelemetryExporter {
  /** Takes a span that has ended; drops and counts it if too many wait. */
  addSpan(span: ReadableSpan): void;
  /** To be called with every request. Sends what is due, unless another request does so already. */
  flush(waitUntil: WaitUntil): void;
  /** Resolves when what is due was sent, or at once if another request sends it. */
  forceFlush(): Promise<void>;
}

export interface TelemetryExporterDeps {
  readonly collect: () => Promise<CollectedMetrics>;
  readonly counts: TelemetryCounts<Signal, Signal>;
  readonly send: SendTelemetry;
  /** The resource of the metrics. */
  readonly resource: Readonly<Record<string, string>>;
  /** Between two exports of metrics, milliseconds. */
  readonly metricIntervalMs: number;
  /** Epoch milliseconds. */
  readonly now: () => number;
}

/** The most spans that wait: those of some hundred requests. */
const MAX_SPANS = 2_048;
/** How long a first span waits for others, milliseconds. */
const GATHER_MS = 1_000;
const FIRST_BACKOFF_MS = 1_000;
const MAX_BACKOFF_MS = 30_000;

/** When one signal may be sent again: a collector may accept one and not the other. @param now epoch milliseconds */
const backoff = (now: () => number) => {
  let notBeforeMs = Number.NEGATIVE_INFINITY;
  let backoffMs = FIRST_BACKOFF_MS;
  return {
    /** A clock that was set back delays nothing for longer. */
    notBeforeMs: () => (notBeforeMs - now() > MAX_BACKOFF_MS ? now() : notBeforeMs),
    settle: (isAccepted: boolean): void => {
      notBeforeMs = isAccepted ? Number.NEGATIVE_INFINITY : now() + backoffMs;
      backoffMs = isAccepted ? FIRST_BACKOFF_MS : Math.min(2 * backoffMs, MAX_BACKOFF_MS);
    },
  };
};

export const createTelemetryExporter = (deps: TelemetryExporterDeps): TelemetryExporter => {
  const { collect, counts, send, metricIntervalMs, now } = deps;
  const resource = resourceFromAttributes(deps.resource);
  let spans: ReadableSpan[] = [];
  let sending = 0;
  /** Whether requests have been counted since metrics were collected. */
  let isCounted = false;
  let metricsDueAtMs = Number.NEGATIVE_INFINITY;
  const spanBackoff = backoff(now);
  const metricBackoff = backoff(now);

  const spansAtMs = (): number => (spans.length > 0 ? spanBackoff.notBeforeMs() : Number.POSITIVE_INFINITY);
  const metricsAtMs = (): number => {
    if (!isCounted) return Number.POSITIVE_INFINITY;
    const dueAtMs = metricsDueAtMs - now() > metricIntervalMs ? now() : metricsDueAtMs;
    return Math.max(dueAtMs, metricBackoff.notBeforeMs());
  };

  const exportSpans = async (): Promise<void> => {
    // There is one export at a time: the platform ended the request that carried the last one.
    if (sending > 0) counts.dropped("traces", "export_failed", sending);
    const batch = spans;
    spans = [];
    sending = batch.length;
    const isAccepted = await send("traces", JsonTraceSerializer.serializeRequest(batch));
    sending = 0;
    if (isAccepted) counts.exported("traces", batch.length);
    else counts.dropped("traces", "export_failed", batch.length);
    spanBackoff.settle(isAccepted);
  };

  const exportMetrics = async (): Promise<void> => {
    isCounted = false;
    metricsDueAtMs = now() + metricIntervalMs;
    const scopeMetrics = [{ scope: SCOPE, metrics: [...(await collect())] }];
    const isAccepted = await send(
      "metrics",
      JsonMetricsSerializer.serializeRequest({ resource, scopeMetrics }),
    );
    if (isAccepted) counts.exported("metrics", 1);
    else {
      counts.dropped("metrics", "export_failed", 1);
      isCounted = true;
      metricsDueAtMs = now();
    }
    metricBackoff.settle(isAccepted);
  };

  const carryLoop = createWaitUntilLoop({
    nextAtMs: () => {
      const atMs = Math.min(spansAtMs(), metricsAtMs());
      return atMs === Number.POSITIVE_INFINITY ? undefined : atMs;
    },
    run: async () => {
      const nowMs = now();
      const areSpansDue = spansAtMs() <= nowMs;
      const areMetricsDue = metricsAtMs() <= nowMs;
      await Promise.all([
        areSpansDue ? exportSpans() : undefined,
        areMetricsDue ? exportMetrics() : undefined,
      ]);
    },
    intervalMs: GATHER_MS,
    now,
  });

  return {
    addSpan: (span) => {
      if (spans.length < MAX_SPANS) spans.push(span);
      else counts.dropped("traces", "queue_full", 1);
    },
    flush: (waitUntil) => {
      isCounted = true;
      carryLoop(waitUntil);
    },
    forceFlush: async () => {
      let sending: Promise<unknown> | undefined;
      carryLoop((work) => {
        sending = work;
      });
      await sending;
    },
  };
};

export interface CollectorOptions {
  /** The base address, without a trailing slash; `/v1/traces` and `/v1/metrics` are below it. */
  readonly endpoint: string;
  /** They authenticate the edge. */
  readonly headers: Readonly<Record<string, string>>;
  readonly fetch: typeof globalThis.fetch;
}

/** @returns whether the collector accepted it; never rejects */
export type SendTelemetry = (
  signal: Signal,
  body: Uint8Array<ArrayBufferLike> | undefined,
) => Promise<boolean>;

/** No export waits longer for the collector, milliseconds. */
const TIMEOUT_MS = 5_000;

export const createSendTelemetry =
  ({ endpoint, headers, fetch }: CollectorOptions): SendTelemetry =>
  async (signal, body) => {
    const timeout = timeoutSignal(TIMEOUT_MS);
    try {
      const response = await fetch(`${endpoint}/v1/${signal}`, {
        method: "POST",
        headers: { ...headers, "content-type": "application/json" },
        body: body === undefined ? null : new Uint8Array(body),
        // The collector's headers may be secret.
        redirect: "manual",
        signal: timeout.signal,
      });
      await response.body?.cancel();
      return response.ok;
    } catch {
      return false;
    } finally {
      timeout.clear();
    }
  };
