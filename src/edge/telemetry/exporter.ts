/**
 * Sends an isolate's spans and metrics to the collector after the responses, by OTLP over HTTP. While the
 * collector is down or hangs, spans are dropped and counted. Metrics are cumulative, so the next export makes
 * up for a lost one.
 */
import { JsonMetricsSerializer, JsonTraceSerializer } from "@opentelemetry/otlp-transformer";
import { resourceFromAttributes } from "@opentelemetry/resources";
import type { ReadableSpan } from "@opentelemetry/sdk-trace";
import { timeoutSignal } from "../../lib/async.ts";
import type { WaitUntil } from "../../middleware/context/index.ts";
import type { TelemetryCounts } from "../../telemetry/instruments.ts";
import { type CollectedMetrics, SCOPE } from "../../telemetry/meter-provider.ts";
import type { EdgeDeps } from "../app.ts";
import { createWaitUntilLoop } from "../wait-until-loop.ts";
import type { Signal } from "./metrics.ts";

export interface TelemetryExporter {
  /** Queues an ended span; drops and counts it if the queue is full. */
  addSpan(span: ReadableSpan): void;
  /** Call it with every request: sends the telemetry that is due, unless another request is doing so. */
  flush(waitUntil: WaitUntil): void;
  /** Resolves when the telemetry that is due was sent, or at once if another request is sending it. */
  forceFlush(): Promise<void>;
}

interface TelemetryExporterDeps extends Pick<EdgeDeps, "now"> {
  readonly collect: () => Promise<CollectedMetrics>;
  readonly counts: TelemetryCounts<Signal, Signal>;
  readonly send: SendTelemetry;
  /** The resource of the metrics. */
  readonly resource: Readonly<Record<string, string>>;
  /** Between two exports of metrics, milliseconds. */
  readonly metricIntervalMs: number;
}

/** Maximum queue length: the spans of some hundred requests. */
const MAX_SPANS = 2_048;
/** Time that a first span waits for others, milliseconds. */
const GATHER_MS = 1_000;
const FIRST_BACKOFF_MS = 1_000;
const MAX_BACKOFF_MS = 30_000;

/** Backoff of one signal: a collector may accept one and reject the other. @param now epoch milliseconds */
const backoff = (now: () => number) => {
  let notBeforeMs = Number.NEGATIVE_INFINITY;
  let backoffMs = FIRST_BACKOFF_MS;
  return {
    /** A clock that was set back does not prolong the delay. */
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
  /** Whether there were requests since the last collection of metrics. */
  let hasNewCounts = false;
  let metricsDueAtMs = Number.NEGATIVE_INFINITY;
  const spanBackoff = backoff(now);
  const metricBackoff = backoff(now);

  const spansAtMs = (): number => (spans.length > 0 ? spanBackoff.notBeforeMs() : Number.POSITIVE_INFINITY);
  const metricsAtMs = (): number => {
    if (!hasNewCounts) return Number.POSITIVE_INFINITY;
    const dueAtMs = metricsDueAtMs - now() > metricIntervalMs ? now() : metricsDueAtMs;
    return Math.max(dueAtMs, metricBackoff.notBeforeMs());
  };

  const exportSpans = async (): Promise<void> => {
    // There is one export at a time, so the platform has ended the request that carried the last one.
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
    hasNewCounts = false;
    metricsDueAtMs = now() + metricIntervalMs;
    const scopeMetrics = [{ scope: SCOPE, metrics: [...(await collect())] }];
    const body = JsonMetricsSerializer.serializeRequest({ resource, scopeMetrics });
    const isAccepted = await send("metrics", body);
    if (isAccepted) counts.exported("metrics", 1);
    else {
      counts.dropped("metrics", "export_failed", 1);
      hasNewCounts = true;
      metricsDueAtMs = now();
    }
    metricBackoff.settle(isAccepted);
  };

  const carryLoop = createWaitUntilLoop({
    nextAtMs: () => Math.min(spansAtMs(), metricsAtMs()),
    run: async () => {
      const nowMs = now();
      await Promise.all([
        spansAtMs() <= nowMs ? exportSpans() : undefined,
        metricsAtMs() <= nowMs ? exportMetrics() : undefined,
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
      hasNewCounts = true;
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

interface CollectorOptions extends Pick<EdgeDeps, "fetch"> {
  /** Base URL without a trailing slash, for `/v1/traces` and `/v1/metrics`. */
  readonly endpoint: string;
  readonly headers: Readonly<Record<string, string>>;
}

/** @returns whether the collector accepted the data; never rejects */
type SendTelemetry = (signal: Signal, body: Uint8Array | undefined) => Promise<boolean>;

/** Timeout of an export, milliseconds. */
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
        // A redirect would send the headers, which may be secret, to another server.
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
