/**
 * The security events of one process: from requests and edges into the outbox, and from there to the sinks. Responses never
 * wait for this, except that a write stores its event in its own transaction.
 */
import type { Meter } from "@opentelemetry/api";
import { withTimeout } from "../../lib/async.ts";
import { type Batch, createAggregator, MAX_BATCH_EVENTS } from "../../security-events/aggregator.ts";
import {
  EVENT_TYPES,
  type Occurrence,
  type SecurityEvent,
  sanitizeOccurrence,
} from "../../security-events/event.ts";
import type { Database } from "../db/database.ts";
import { type Job, logTransitions, startJob } from "../lifecycle/jobs.ts";
import type { OriginLog } from "../log/log.ts";
import { createEventMetrics } from "./event-metrics.ts";
import { cleanOutbox, createCapacity, insertEvents } from "./outbox.ts";
import { outboxWorker } from "./outbox-worker.ts";
import { SINK_NAMES, type Sink, type SinkName } from "./sinks.ts";

/** Shortened by tests, milliseconds. */
export interface Timing {
  /** Between two deliveries. @default 500 */
  readonly deliverMs?: number;
  /** Between two writes to the outbox. @default 200 */
  readonly flushMs?: number;
  /** Between two measurements of the outbox. @default 5,000 */
  readonly measureMs?: number;
  /** @default exponential, from 1 s to 60 s, with jitter */
  readonly backoffMs?: ((attempts: number) => number) | undefined;
}

export interface SecurityEventsOptions {
  readonly database: Database;
  readonly sinks: readonly Sink[];
  readonly meter: Meter;
  readonly log: OriginLog;
  /** Receives events of rejected requests, each once as far as the outbox can tell. */
  readonly onOffenses?: ((events: readonly SecurityEvent[]) => Promise<void> | void) | undefined;
  /** Undelivered events per sink. @default 100,000 */
  readonly maxWaiting?: number;
  readonly timing?: Timing;
}

/** Equal reads within it become one event. A crash loses at most the current window. */
const WINDOW_MS = 1_000;
/** Events buffered in memory; while PostgreSQL is down the oldest are dropped. */
const MAX_QUEUED = 10_000;
const CLEAN_INTERVAL_MS = 60_000;
/** For the jobs to end, and again for the last write to the outbox. */
const STOP_TIMEOUT_MS = 500;

export type SecurityEvents = ReturnType<typeof createSecurityEvents>;

export const createSecurityEvents = (options: SecurityEventsOptions) => {
  const { database, sinks, meter, log, onOffenses, timing = {} } = options;
  const metrics = createEventMetrics(meter);
  const sinkNames = sinks.map(({ name }) => name);
  const capacity = createCapacity(sinkNames, options.maxWaiting ?? 100_000);
  const flushing = logTransitions("security events", "written to the outbox", log);
  const maintenance = logTransitions("outbox maintenance tasks", "completed", log);
  const queue = createAggregator({
    now: Date.now,
    newId: () => crypto.randomUUID(),
    windowMs: WINDOW_MS,
    maxWaiting: MAX_QUEUED,
    onDropped: (type, count) => metrics.dropped(type, "queue", count),
  });
  let workers: Job[] = [];
  let jobs: Job[] = [];

  const deliverNow = (): void => {
    for (const worker of workers) worker.runNow();
  };

  /** Counts the events that sinks without room miss. */
  const countMissed = (events: readonly SecurityEvent[], open: readonly SinkName[]): void => {
    const full = sinks.length - open.length;
    if (full > 0) for (const { type, count } of events) metrics.dropped(type, "outbox", count * full);
  };

  /** @returns the events that are new, as far as the outbox can tell */
  const insert = async (
    into: Database,
    events: readonly SecurityEvent[],
    open: readonly SinkName[],
  ): Promise<readonly SecurityEvent[]> => {
    if (events.length === 0 || open.length === 0) return events;
    const rows = await insertEvents(into, events, open);
    capacity.add(rows);
    const ids = new Set(rows.map(({ event_id }) => event_id));
    return events.filter(({ id }) => ids.has(id));
  };

  const reportOffenses = async (events: readonly SecurityEvent[]): Promise<void> => {
    const offenses = events.filter(({ type }) => type !== "data_access");
    if (onOffenses === undefined || offenses.length === 0) return;
    try {
      await onOffenses(offenses);
    } catch (error) {
      log.warn({ err: error }, "offenses could not be scored");
    }
  };

  /** Writes events to the outbox. Nothing is counted if that fails, because the events are sent again. */
  const write = async (into: Database, events: readonly SecurityEvent[]): Promise<void> => {
    const open = capacity.open();
    const added = await insert(into, events, open);
    countMissed(added, open);
    for (const { type, count } of added) metrics.occurred(type, count);
    deliverNow();
    await reportOffenses(added);
  };

  const flush = async (): Promise<void> => {
    for (let batch = queue.take(MAX_BATCH_EVENTS); batch; batch = queue.take(MAX_BATCH_EVENTS)) {
      try {
        await write(database, batch.events);
        queue.settle(batch, true);
        flushing.succeeded();
      } catch (error) {
        queue.settle(batch, false);
        flushing.failed(error);
        return;
      }
    }
  };

  const measure = async (): Promise<void> => metrics.setOutbox(await capacity.refresh(database));

  const clean = async (): Promise<void> => {
    const expired = await cleanOutbox(database);
    for (const name of SINK_NAMES) {
      const count = expired.filter((sink) => sink === name).length;
      if (count > 0) metrics.attempted(name, "dead", count);
    }
  };

  return {
    /** Queues an occurrence for the outbox. */
    record: (occurrence: Occurrence): void => queue.add(occurrence),
    /**
     * Stores an occurrence with a write, so that either both are committed or neither is.
     *
     * @param transaction the write's transaction
     */
    inTransaction: (transaction: Database, occurrence: Occurrence): void => {
      const event = {
        ...sanitizeOccurrence(occurrence),
        id: crypto.randomUUID(),
        lastAtMs: occurrence.atMs,
        count: 1,
      };
      const open = capacity.open();
      countMissed([event], open);
      // Not awaited: the statement is sent with the next one, and if it fails, COMMIT fails.
      if (open.length > 0) insertEvents(transaction, [event], open).catch(() => undefined);
    },
    /** To be called after the commit of such a transaction. */
    committed: ({ type }: Occurrence): void => {
      metrics.occurred(type, 1);
      deliverNow();
    },
    /**
     * Stores an edge's batch. Events that are stored already have no effect.
     *
     * @throws database errors; nothing counts then, and the edge sends the batch again
     */
    ingest: async ({ events, dropped }: Batch, into: Database = database): Promise<void> => {
      await write(into, events);
      for (const type of EVENT_TYPES) metrics.dropped(type, "edge", dropped[type] ?? 0);
    },
    /** To be called once the database is migrated. */
    start: (): void => {
      const worker = { database, metrics, log, backoffMs: timing.backoffMs };
      workers = sinks.map((sink) => startJob(outboxWorker(sink, worker), timing.deliverMs ?? 500));
      jobs = [
        startJob(flush, timing.flushMs ?? 200),
        startJob(() => maintenance.run(measure), timing.measureMs ?? 5_000),
        startJob(() => maintenance.run(clean), CLEAN_INTERVAL_MS),
      ];
    },
    /** Resolves within a second. Unfinished deliveries are repeated by another process. */
    stop: async (): Promise<void> => {
      const stopped = Promise.all([...workers, ...jobs].map((job) => job.stop()));
      await withTimeout(stopped, STOP_TIMEOUT_MS, { fallback: undefined });
      queue.close();
      await withTimeout(flush(), STOP_TIMEOUT_MS, { fallback: undefined });
    },
  };
};
