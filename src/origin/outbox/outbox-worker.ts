/** Delivers due events from the outbox to one sink, at least once. Any number of processes may do so concurrently. */
import type { Database } from "../db/database.ts";
import { logTransitions } from "../lifecycle/jobs.ts";
import type { OriginLog } from "../log/log.ts";
import type { EventMetrics } from "./event-metrics.ts";
import { type ClaimedEvent, sinkOutbox } from "./outbox.ts";
import type { Sink } from "./sinks.ts";

/** Events per request to a sink. */
const BATCH_SIZE = 100;
/** Batches per run; the next run delivers the rest. */
const MAX_BATCHES = 200;
/** Longer than a delivery and its statements take. */
const LEASE_MS = 60_000;
/** No request starts later than this after the claim, so that the last one ends within the lease. */
const START_WITHIN_MS = 30_000;

const MAX_ERROR_LENGTH = 200;

const FIRST_BACKOFF_MS = 1_000;
const MAX_BACKOFF_MS = 60_000;

/** The backoff without jitter, milliseconds. @param attempts at least 1 */
export const maxBackoffMs = (attempts: number): number =>
  Math.min(MAX_BACKOFF_MS, FIRST_BACKOFF_MS * 2 ** Math.min(attempts - 1, 16));

/** @param random from 0 to 1: removes up to half of the backoff */
export const jitteredBackoffMs = (attempts: number, random: number): number =>
  maxBackoffMs(attempts) * (1 - random / 2);

interface Delivery {
  readonly delivered: ClaimedEvent[];
  readonly rejected: { readonly claimed: ClaimedEvent; readonly reason: string }[];
  readonly failed: ClaimedEvent[];
  /** The first failure. */
  error: unknown;
}

/** Sends events. A rejected batch is sent again in halves, so that an unacceptable event affects no other. */
const sendBatch = async (
  sink: Sink,
  batch: readonly ClaimedEvent[],
  hasTime: () => boolean,
): Promise<Delivery> => {
  const delivery: Delivery = { delivered: [], rejected: [], failed: [], error: undefined };
  const parts = [batch];
  for (let part = parts.shift(); part !== undefined; part = parts.shift()) {
    try {
      if (!hasTime()) throw new Error("no time left before the lease ends");
      const result = await sink.send(part.map(({ event }) => event));
      if (result.kind === "accepted") delivery.delivered.push(...part);
      else if (part.length > 1) {
        const middle = Math.ceil(part.length / 2);
        parts.unshift(part.slice(0, middle), part.slice(middle));
      } else for (const claimed of part) delivery.rejected.push({ claimed, reason: result.reason });
    } catch (error) {
      delivery.failed.push(...part);
      delivery.error ??= error;
    }
  }
  return delivery;
};

/** `fetch` reports the reason of a failure as its cause. */
const messageOf = (error: unknown): string => {
  const cause = error instanceof Error && error.cause instanceof Error ? error.cause : error;
  return String(cause instanceof Error ? cause.message || cause.name : cause).slice(0, MAX_ERROR_LENGTH);
};

interface OutboxWorkerDependencies {
  readonly database: Database;
  readonly metrics: EventMetrics;
  readonly log: OriginLog;
  /** Milliseconds until the next attempt. @default exponential, from 1 s to 60 s, with jitter */
  readonly backoffMs?: ((attempts: number) => number) | undefined;
}

/** @returns a job that runs until nothing is due, the sink fails or the signal aborts; it never rejects */
export const outboxWorker = (sink: Sink, dependencies: OutboxWorkerDependencies) => {
  const { metrics, log } = dependencies;
  const backoffMs = dependencies.backoffMs ?? ((attempts) => jitteredBackoffMs(attempts, Math.random()));
  const { name } = sink;
  const outbox = sinkOutbox(dependencies.database, name);
  const transitions = logTransitions(`security events for the sink ${name}`, "delivered", log);

  /** @returns whether more events may be due */
  const deliverBatch = async (): Promise<boolean> => {
    const claimedAtMs = performance.now();
    const { events, unreadable } = await outbox.claim(BATCH_SIZE, LEASE_MS);
    if (unreadable.length > 0) {
      await outbox.markDead(unreadable, "not a valid event");
      metrics.attempted(name, "dead", unreadable.length);
    }
    if (events.length === 0) return false;
    const hasTime = (): boolean => performance.now() - claimedAtMs < START_WITHIN_MS;
    const { delivered, rejected, failed, error } = await sendBatch(sink, events, hasTime);
    if (delivered.length > 0) {
      const ids = delivered.map(({ event }) => event.id);
      await outbox.remove(ids);
      metrics.attempted(name, "delivered", ids.length);
    }
    for (const { claimed, reason } of rejected) {
      await outbox.markDead([claimed.event.id], reason);
      metrics.attempted(name, "dead", 1);
      log.warn({ sink: name, eventId: claimed.event.id, reason }, "a sink rejected a security event");
    }
    if (failed.length === 0) {
      transitions.succeeded();
      return events.length + unreadable.length === BATCH_SIZE;
    }
    transitions.failed(error);
    await outbox.reschedule(failed, backoffMs, messageOf(error));
    metrics.attempted(name, "retried", failed.length);
    return false;
  };

  return async (signal: AbortSignal): Promise<void> => {
    try {
      for (let batch = 0; batch < MAX_BATCHES && !signal.aborted; batch += 1) {
        if (!(await deliverBatch())) return;
      }
    } catch (error) {
      // The claimed events are due again when the lease ends. A failure during shutdown is expected.
      if (!signal.aborted) transitions.failed(error);
    }
  };
};
