/**
 * Security events of one process: into the outbox, and from there to the sinks. Nothing of it is on an answer's way,
 * but for what a write leaves in its own transaction.
 */
import type { Registry } from "prom-client";
import { withTimeout } from "../../lib/async.ts";
import { type Batch, createGatherer } from "../../security-events/aggregator.ts";
import { MAX_BATCH_EVENTS } from "../../security-events/batch-codec.ts";
import { bounded, EVENT_TYPES, type Occurrence, type SecurityEvent } from "../../security-events/event.ts";
import type { Database } from "../db/database.ts";
import { type Repetition, repeat } from "../lifecycle/repeat.ts";
import { logTransitions } from "../lifecycle/state-change-log.ts";
import type { OriginLog } from "../log/log.ts";
import { backoffMs } from "./backoff.ts";
import { delivering } from "./delivery.ts";
import { createEventMetrics } from "./event-metrics.ts";
import { insertEvents } from "./outbox.ts";
import { cleanOutbox, outboxState } from "./outbox-upkeep.ts";
import { createRoom } from "./room.ts";
import { SINK_NAMES, type Sink, type SinkName } from "./sink.ts";

export interface SecurityEvents {
  /** After the answer: it goes to the outbox with others, soon. */
  record(occurrence: Occurrence): void;
  /**
   * With a write, so that it is there if and only if the write is. It goes out with what follows it in the
   * transaction, which fails where it fails.
   *
   * @param database the write's transaction
   */
  inTransaction(database: Database, occurrence: Occurrence): void;
  /** The transaction of such a one has been committed. */
  committed(occurrence: Occurrence): void;
  /**
   * What an edge has gathered; what came before is left as it is.
   *
   * @throws what the database throws: nothing of it counts then, and it may be sent again
   */
  ingest(batch: Batch, database?: Database): Promise<void>;
  /** Once the database is migrated. */
  start(): void;
  /** Ends within a second; what is under way to a sink is delivered again by whoever runs next. */
  stop(): Promise<void>;
}

/** What tests shorten, milliseconds. */
export interface Timing {
  /** Between two rounds of a sink. @default 500 */
  readonly roundMs?: number;
  /** @default 200 */
  readonly flushMs?: number;
  /** Between two looks at how full the outbox is. @default 5,000 */
  readonly lookMs?: number;
  /** By the attempts made. @default from 1 s to 60 s, less chance */
  readonly backoffMs?: (attempts: number) => number;
}

export interface SecurityEventsOptions {
  readonly database: Database;
  readonly sinks: readonly Sink[];
  readonly registry: Registry;
  readonly log: OriginLog;
  /** Epoch milliseconds. */
  readonly now: () => number;
  readonly random: () => number;
  readonly newId: () => string;
  /** Told of what guards have refused, each event once as far as the outbox can tell. */
  readonly onOffences?: ((events: readonly SecurityEvent[]) => Promise<void> | void) | undefined;
  /** Events that wait for one sink at most. @default 100,000 */
  readonly maxWaiting?: number;
  readonly timing?: Timing;
}

/** Equal reads within it are told as one; so much of them a crash may take. */
const WINDOW_MS = 1_000;
/** Events that wait for the outbox; while PostgreSQL is away the oldest go first. */
const MAX_QUEUED = 10_000;
const CLEAN_INTERVAL_MS = 60_000;
/** For the rounds to end, and for the queue to be written, each. */
const STOP_TIMEOUT_MS = 500;

export const createSecurityEvents = (options: SecurityEventsOptions): SecurityEvents => {
  const { database, sinks, registry, log, now, random, newId, onOffences, timing = {} } = options;
  const metrics = createEventMetrics(registry);
  const room = createRoom(
    sinks.map(({ name }) => name),
    options.maxWaiting ?? 100_000,
  );
  const toldOfQueue = logTransitions("security events", "written to the outbox", log);
  const toldOfUpkeep = logTransitions("the security events' outbox", "looked after", log);
  const queue = createGatherer({
    now,
    newId,
    windowMs: WINDOW_MS,
    maxWaiting: MAX_QUEUED,
    onDropped: (type, count) => metrics.dropped(type, "queue", count),
  });
  let deliveries: Repetition[] = [];
  let upkeep: Repetition[] = [];

  const nudge = (): void => {
    for (const delivery of deliveries) delivery.nudge();
  };

  /** What the sinks without room miss. */
  const countMissed = (events: readonly SecurityEvent[], open: readonly SinkName[]): void => {
    const full = sinks.length - open.length;
    if (full > 0) for (const { type, count } of events) metrics.dropped(type, "outbox", count * full);
  };

  /** @returns those that are new, as far as can be told */
  const insert = async (
    into: Database,
    events: readonly SecurityEvent[],
  ): Promise<readonly SecurityEvent[]> => {
    const open = room.open();
    let fresh = events;
    if (events.length > 0 && open.length > 0) {
      const rows = await insertEvents(into, events, open);
      room.added(rows);
      const ids = new Set(rows.map(({ event_id }) => event_id));
      fresh = events.filter(({ id }) => ids.has(id));
    }
    // Not before it is known that they will not be sent again.
    countMissed(fresh, open);
    return fresh;
  };

  const countOf = (events: readonly SecurityEvent[]): void => {
    for (const { type, count } of events) metrics.happened(type, count);
  };

  const write = async (
    into: Database,
    events: readonly SecurityEvent[],
  ): Promise<readonly SecurityEvent[]> => {
    const fresh = await insert(into, events);
    countOf(fresh);
    nudge();
    return fresh;
  };

  /** Access that was granted is no offence. */
  const judge = async (events: readonly SecurityEvent[]): Promise<void> => {
    const refused = events.filter(({ type }) => type !== "data_access");
    if (onOffences === undefined || refused.length === 0) return;
    try {
      await onOffences(refused);
    } catch (error) {
      log.warn({ err: error }, "offences could not be judged");
    }
  };

  const flush = async (): Promise<void> => {
    for (;;) {
      const batch = queue.take(MAX_BATCH_EVENTS);
      if (batch === undefined) return;
      try {
        const fresh = await write(database, batch.events);
        queue.settle(batch, true);
        toldOfQueue.succeeded();
        await judge(fresh);
      } catch (error) {
        queue.settle(batch, false);
        toldOfQueue.failed(error);
        return;
      }
    }
  };

  const look = async (): Promise<void> => {
    const saw = room.look();
    try {
      const state = await outboxState(database);
      saw(state);
      metrics.saw(state);
      toldOfUpkeep.succeeded();
    } catch (error) {
      toldOfUpkeep.failed(error);
    }
  };

  const clean = async (): Promise<void> => {
    try {
      const buried = await cleanOutbox(database);
      for (const name of SINK_NAMES) {
        const count = buried.filter((sink) => sink === name).length;
        if (count > 0) metrics.attempted(name, "dead", count);
      }
    } catch (error) {
      toldOfUpkeep.failed(error);
    }
  };

  const delivery = {
    database,
    metrics,
    log,
    backoffMs: timing.backoffMs ?? ((attempts: number) => backoffMs(attempts, random())),
    now: () => performance.now(),
  };

  return {
    record: (occurrence) => queue.add(occurrence),
    inTransaction: (transaction, occurrence) => {
      const event = { ...bounded(occurrence), id: newId(), lastAtMs: occurrence.atMs, count: 1 };
      const open = room.open();
      countMissed([event], open);
      // Not awaited: it goes out with COMMIT, which fails where it fails.
      if (open.length > 0) insertEvents(transaction, [event], open).catch(() => undefined);
    },
    committed: ({ type }) => {
      metrics.happened(type, 1);
      nudge();
    },
    ingest: async ({ events, dropped }, into = database) => {
      const fresh = await write(into, events);
      for (const type of EVENT_TYPES) metrics.dropped(type, "edge", dropped[type] ?? 0);
      await judge(fresh);
    },
    start: () => {
      deliveries = sinks.map((sink) => repeat(delivering(sink, delivery), timing.roundMs ?? 500));
      upkeep = [
        repeat(flush, timing.flushMs ?? 200),
        repeat(look, timing.lookMs ?? 5_000),
        repeat(clean, CLEAN_INTERVAL_MS),
      ];
    },
    stop: async () => {
      const ending = Promise.all([...deliveries, ...upkeep].map((each) => each.stop()));
      await withTimeout(ending, STOP_TIMEOUT_MS, { fallback: undefined });
      queue.close();
      await withTimeout(flush(), STOP_TIMEOUT_MS, { fallback: undefined });
    },
  };
};
