/**
 * Delivers events from the outbox to one sink, at least once. A process delivers those that it has added from its memory, and
 * claims those that no other process delivers. Any number of processes may do so at the same time.
 */

import type { SecurityEvent } from "../../security-events/event.ts";
import type { Database } from "../db/database.ts";
import { logTransitions } from "../lifecycle/jobs.ts";
import type { OriginLog } from "../log/log.ts";
import type { EventMetrics } from "./event-metrics.ts";
import { FIRST_LEASE_MS, type LeasedEvent, sinkOutbox } from "./outbox.ts";
import type { Sink } from "./sinks.ts";

/** Events per request to a sink. */
const BATCH_SIZE = 100;
/** Batches per run; the next run delivers the rest. */
const MAX_BATCHES = 200;
/** Longer than a delivery and its statements take. */
const LEASE_MS = 60_000;
/** The part of a lease in which no request starts, so that the last one ends before the lease does. */
const RESERVED_MS = 12_000;
/** A new event waits this long for the report of a second origin, which then changes nothing (`eventId`). */
const NEW_DELAY_MS = 1_000;
/** New events in memory. More are claimed when their lease ends. */
const MAX_NEW = 10_000;

const MAX_ERROR_LENGTH = 200;

interface Delivery {
  /** Ids of events. */
  readonly delivered: string[];
  readonly rejected: { readonly id: string; readonly reason: string }[];
  readonly failed: LeasedEvent[];
  /** The first failure. */
  error: unknown;
}

/**
 * Sends events until `untilMs` (`performance.now()`). A rejected batch is sent again in halves, so that an unacceptable event
 * affects no other.
 */
const sendBatch = async (sink: Sink, batch: readonly LeasedEvent[], untilMs: number): Promise<Delivery> => {
  const delivery: Delivery = { delivered: [], rejected: [], failed: [], error: undefined };
  const parts = [batch];
  for (let part = parts.shift(); part !== undefined; part = parts.shift()) {
    const events = part.map(({ event }) => event);
    try {
      if (performance.now() >= untilMs) throw new Error("no time left before the lease ends");
      const result = await sink.send(events);
      if (result.kind === "accepted") delivery.delivered.push(...events.map(({ id }) => id));
      else if (part.length > 1) {
        const middle = Math.ceil(part.length / 2);
        parts.unshift(part.slice(0, middle), part.slice(middle));
      } else delivery.rejected.push(...events.map(({ id }) => ({ id, reason: result.reason })));
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

export const outboxWorker = (sink: Sink, database: Database, metrics: EventMetrics, log: OriginLog) => {
  const { name } = sink;
  const outbox = sinkOutbox(database, name);
  const transitions = logTransitions(`security events for the sink ${name}`, "delivered", log);
  /** Events that this process has added, in that order. */
  const added: LeasedEvent[] = [];

  /** The next new events. Those whose lease is about to end are left to be claimed. */
  const takeAdded = (): LeasedEvent[] => {
    const nowMs = performance.now();
    const later = added.findIndex(({ leasedAtMs }) => leasedAtMs > nowMs - NEW_DELAY_MS);
    const count = Math.min(later < 0 ? added.length : later, BATCH_SIZE);
    return added
      .splice(0, count)
      .filter(({ leasedAtMs }) => leasedAtMs > nowMs - FIRST_LEASE_MS + RESERVED_MS);
  };

  const deliver = async (events: readonly LeasedEvent[], leaseMs: number): Promise<boolean> => {
    if (events.length === 0) return true;
    const untilMs = Math.min(...events.map(({ leasedAtMs }) => leasedAtMs)) + leaseMs - RESERVED_MS;
    const { delivered, rejected, failed, error } = await sendBatch(sink, events, untilMs);
    if (delivered.length > 0) {
      await outbox.remove(delivered);
      metrics.attempted(name, "delivered", delivered.length);
    }
    for (const { id, reason } of rejected) {
      await outbox.markDead([id], reason);
      metrics.attempted(name, "dead", 1);
      log.warn({ sink: name, eventId: id, reason }, "a sink rejected a security event");
    }
    if (failed.length === 0) {
      transitions.succeeded();
      return true;
    }
    transitions.failed(error);
    await outbox.reschedule(failed, messageOf(error));
    metrics.attempted(name, "retried", failed.length);
    return false;
  };

  /** @returns whether more events may be due */
  const deliverBatch = async (): Promise<boolean> => {
    const own = takeAdded();
    if (own.length > 0) return await deliver(own, FIRST_LEASE_MS);
    const { events, unreadable } = await outbox.claim(BATCH_SIZE, LEASE_MS);
    if (unreadable.length > 0) {
      await outbox.markDead(unreadable, "not a valid event");
      metrics.attempted(name, "dead", unreadable.length);
    }
    const hasDelivered = await deliver(events, LEASE_MS);
    return hasDelivered && events.length + unreadable.length === BATCH_SIZE;
  };

  return {
    /** Delivers an event soon whose row this process has added and committed. */
    add: (event: SecurityEvent, leasedAtMs: number): void => {
      if (added.length < MAX_NEW) added.push({ event, attempts: 1, leasedAtMs });
    },
    /** A job that runs until nothing is due, the sink fails or the signal aborts; it never rejects. */
    run: async (signal: AbortSignal): Promise<void> => {
      try {
        for (let batch = 0; batch < MAX_BATCHES && !signal.aborted; batch += 1) {
          if (!(await deliverBatch())) return;
        }
      } catch (error) {
        // The events are due again when their leases end. A failure during shutdown is expected.
        if (!signal.aborted) transitions.failed(error);
      }
    },
  };
};
