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
import { type Database, queryBy, type Transaction } from "../db/database.ts";
import { type Job, logTransitions, startJob } from "../lifecycle/jobs.ts";
import type { OriginLog } from "../log/log.ts";
import { eventId } from "./event-id.ts";
import { createEventMetrics } from "./event-metrics.ts";
import { cleanOutbox, createCapacity, insertEvents, insertion, type OutboxRow } from "./outbox.ts";
import { outboxWorker } from "./outbox-worker.ts";
import { SINK_NAMES, type Sink, type SinkName } from "./sinks.ts";

export interface SecurityEventsOptions {
  readonly database: Database;
  readonly sinks: readonly Sink[];
  readonly meter: Meter;
  readonly log: OriginLog;
  /** Receives events of rejected requests, each once unless the outbox has forgotten its id. */
  readonly onOffenses?: ((events: readonly SecurityEvent[]) => Promise<void> | void) | undefined;
  /** Undelivered events per sink. @default 100,000 */
  readonly maxWaiting?: number;
}

/** Equal reads within it become one event. A crash loses at most the current window. */
const WINDOW_MS = 1_000;
/** Events buffered in memory; while PostgreSQL is down the oldest are dropped. */
const MAX_QUEUED = 10_000;
/** Also the time in which events gather: a delivery of its own for each write would cost more than the write. */
const DELIVER_INTERVAL_MS = 500;
const FLUSH_INTERVAL_MS = 200;
const MEASURE_INTERVAL_MS = 5_000;
const CLEAN_INTERVAL_MS = 60_000;
/** For the jobs to end, and again for the last write to the outbox. */
const STOP_TIMEOUT_MS = 500;

export type SecurityEvents = ReturnType<typeof createSecurityEvents>;

export const createSecurityEvents = (options: SecurityEventsOptions) => {
  const { database, sinks, meter, log, onOffenses } = options;
  const metrics = createEventMetrics(meter);
  const capacity = createCapacity(
    sinks.map(({ name }) => name),
    options.maxWaiting ?? 100_000,
  );
  const flushing = logTransitions("security events", "written to the outbox", log);
  const maintenance = logTransitions("outbox maintenance tasks", "completed", log);
  const queue = createAggregator({
    now: Date.now,
    newId: eventId,
    windowMs: WINDOW_MS,
    maxWaiting: MAX_QUEUED,
    onDropped: (type, count) => metrics.dropped(type, "queue", count),
  });
  const workers = sinks.map((sink) => ({ sink: sink.name, ...outboxWorker(sink, database, metrics, log) }));
  let jobs: Job[] = [];

  /** Counts the events that sinks without room miss. */
  const countMissed = (events: readonly SecurityEvent[], open: readonly SinkName[]): void => {
    const full = sinks.length - open.length;
    if (full > 0) for (const { type, count } of events) metrics.dropped(type, "outbox", count * full);
  };

  const reportOffenses = async (events: readonly SecurityEvent[]): Promise<void> => {
    const offenses = events.filter(({ type }) => type !== "data_access");
    if (offenses.length === 0) return;
    try {
      await onOffenses?.(offenses);
    } catch (error) {
      log.warn({ err: error }, "offenses could not be scored");
    }
  };

  /** To be called once the rows of the events are committed. @param leasedAtMs before they were inserted */
  const deliver = (
    events: readonly SecurityEvent[],
    rows: readonly OutboxRow[],
    leasedAtMs: number,
  ): void => {
    for (const worker of workers) {
      const ids = new Set(rows.filter(({ sink }) => sink === worker.sink).map(({ event_id }) => event_id));
      for (const event of events) if (ids.has(event.id)) worker.add(event, leasedAtMs);
    }
  };

  /** Writes events to the outbox. Nothing is counted if that fails, because the events are sent again. */
  const write = async (into: Database, events: readonly SecurityEvent[]): Promise<void> => {
    const open = capacity.open();
    const leasedAtMs = performance.now();
    /** The events that the outbox has not seen before. */
    let added = events;
    if (events.length > 0 && open.length > 0) {
      const rows = await insertEvents(into, events, open);
      capacity.add(rows);
      deliver(events, rows, leasedAtMs);
      const ids = new Set(rows.map(({ event_id }) => event_id));
      added = events.filter(({ id }) => ids.has(id));
    }
    countMissed(added, open);
    for (const { type, count } of added) metrics.occurred(type, count);
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
    record: (occurrence: Occurrence): void => queue.add(occurrence),
    /** The event of a write, for the write's transaction: either both are committed or neither is. */
    audit: (transaction: Transaction, occurrence: Occurrence) => {
      const sanitized = sanitizeOccurrence(occurrence);
      const event = { ...sanitized, id: eventId(sanitized, 1), lastAtMs: occurrence.atMs, count: 1 };
      const open = capacity.open();
      const leasedAtMs = performance.now();
      let added: Promise<readonly OutboxRow[]> | undefined;
      // Not awaited: if the statement fails, so does the transaction.
      const add = (rows: Promise<readonly OutboxRow[]>): void => {
        added = rows.catch(() => []);
      };
      return {
        /** For the handler. Stores the event behind a statement that creates a row. */
        database: {
          ...transaction,
          query: queryBy(async (statement, creates) => {
            const { text, values, plan } = statement;
            if (creates === undefined || open.length === 0)
              return await transaction.query(text, values, { plan });
            const both = transaction.queryBoth<object, OutboxRow>(
              statement,
              insertion([event], open, creates),
            );
            add(both.then(([, rows]) => rows));
            return (await both)[0];
          }),
        },
        /** Stores the event, unless the handler's statement has. */
        store: (): void => {
          if (added === undefined && open.length > 0) add(insertEvents(transaction, [event], open));
        },
        /** To be called after the commit. */
        committed: async (): Promise<void> => {
          countMissed([event], open);
          metrics.occurred(event.type, 1);
          deliver([event], (await added) ?? [], leasedAtMs);
        },
      };
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
      jobs = [
        ...workers.map(({ run }) => startJob(run, DELIVER_INTERVAL_MS)),
        startJob(flush, FLUSH_INTERVAL_MS),
        startJob(() => maintenance.run(measure), MEASURE_INTERVAL_MS),
        startJob(() => maintenance.run(clean), CLEAN_INTERVAL_MS),
      ];
    },
    /** Resolves within a second. Unfinished deliveries are repeated by another process. */
    stop: async (): Promise<void> => {
      const stopped = Promise.all(jobs.map((job) => job.stop()));
      await withTimeout(stopped, STOP_TIMEOUT_MS, { fallback: undefined });
      queue.close();
      await withTimeout(flush(), STOP_TIMEOUT_MS, { fallback: undefined });
    },
  };
};
