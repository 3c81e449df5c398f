/** Exports a process's spans to the collector, in batches. Spans that it does not accept are dropped and counted. */
import { setTimeout as pause } from "node:timers/promises";
import { otlpSpans, type ResourceAttributes } from "../../telemetry/otlp.ts";
import type { Span } from "../../telemetry/spans/span.ts";
import { type HttpTarget, isSuccess, postJson } from "../http/post-json.ts";
import type { TransitionLog } from "../lifecycle/jobs.ts";
import type { TelemetryCounts } from "./telemetry-counts.ts";

export interface SpanCourier {
  /** Dropped and counted if the queue is full. */
  add(span: Span): void;
  /** Exports what is queued, and accepts nothing afterwards. */
  shutdown(): Promise<void>;
}

interface Rejection {
  readonly reason: unknown;
  readonly isRetryable: boolean;
}

export interface SpanCourierOptions {
  readonly target: HttpTarget;
  readonly resource: ResourceAttributes;
  readonly counts: TelemetryCounts;
  /** Logs when exports begin to fail, and when they succeed again. */
  readonly transitions: TransitionLog;
}

/** The most spans that are queued or being sent. */
export const MAX_WAITING = 4_096;
/** The most spans of one request. */
const MAX_BATCH = 512;
/** How long a span waits for others, milliseconds. */
const GATHER_MS = 1_000;
/** The limit for a batch with its retries, milliseconds. */
const EXPORT_TIMEOUT_MS = 5_000;
const FIRST_BACKOFF_MS = 1_000;

/** The only statuses that are retried (OTLP 1.x, "OTLP/HTTP", "Retryable Response Codes"). */
const RETRYABLE: ReadonlySet<number> = new Set([429, 502, 503, 504]);

const SCOPE = { name: "breakwater-origin" };

export const createSpanCourier = ({
  target,
  resource,
  counts,
  transitions,
}: SpanCourierOptions): SpanCourier => {
  let gathered: Span[] = [];
  /** Spans that are on their way. */
  let underWay = 0;
  let timer: NodeJS.Timeout | undefined;
  const sending = new Set<Promise<void>>();
  /** Aborted at shutdown: then no retry waits. */
  const over = new AbortController();

  /** @returns undefined where it was taken */
  const attempt = async (body: string, timeoutMs: number): Promise<Rejection | undefined> => {
    try {
      const status = await postJson(target, body, timeoutMs);
      if (isSuccess(status)) return undefined;
      return { reason: new Error(`it answered ${status}`), isRetryable: RETRYABLE.has(status) };
    } catch (error) {
      return { reason: error, isRetryable: true };
    }
  };

  /** @returns why it was not taken, after the last attempt; undefined where it was */
  const deliver = async (body: string): Promise<Rejection | undefined> => {
    const untilMs = performance.now() + EXPORT_TIMEOUT_MS;
    for (let backoffMs = FIRST_BACKOFF_MS; ; backoffMs *= 2) {
      const rejection = await attempt(body, Math.max(1, Math.ceil(untilMs - performance.now())));
      const isLast = over.signal.aborted || performance.now() + backoffMs >= untilMs;
      if (rejection === undefined || isLast || !rejection.isRetryable) return rejection;
      await pause(backoffMs, undefined, { ref: false, signal: over.signal }).catch(() => undefined);
    }
  };

  const send = async (spans: readonly Span[]): Promise<void> => {
    const rejection = await deliver(JSON.stringify(otlpSpans(spans, resource, SCOPE)));
    underWay -= spans.length;
    if (rejection === undefined) {
      counts.exported("traces", spans.length);
      transitions.succeeded();
    } else {
      counts.dropped("traces", "export_failed", spans.length);
      transitions.failed(rejection.reason);
    }
  };

  const flush = (): void => {
    clearTimeout(timer);
    timer = undefined;
    if (gathered.length === 0) return;
    const spans = gathered;
    gathered = [];
    underWay += spans.length;
    const sent = send(spans);
    sending.add(sent);
    void sent.then(() => sending.delete(sent));
  };

  return {
    add: (span) => {
      if (over.signal.aborted || gathered.length + underWay >= MAX_WAITING) {
        counts.dropped("traces", over.signal.aborted ? "export_failed" : "queue_full", 1);
        return;
      }
      gathered.push(span);
      if (gathered.length >= MAX_BATCH) flush();
      else timer ??= setTimeout(flush, GATHER_MS).unref();
    },
    shutdown: async () => {
      flush();
      over.abort();
      await Promise.all(sending);
    },
  };
};
