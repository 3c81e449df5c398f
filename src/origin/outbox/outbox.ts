/** The outbox in PostgreSQL: one row per event and sink, until the event is delivered or dead; and its bounds. */
import type { SecurityEvent } from "../../security-events/event.ts";
import { type CreatedRow, type Database, runInBatches, type SqlStatement } from "../db/database.ts";
import { decodeEvent } from "./decode-batch.ts";
import type { SinkName } from "./sinks.ts";

/** An event that this process delivers to a sink; no other one does before its lease ends. */
export interface LeasedEvent {
  readonly event: SecurityEvent;
  /** Including this one. */
  readonly attempts: number;
  /** At the earliest when the lease began. `performance.now()` */
  readonly leasedAtMs: number;
}

/** A new row belongs to the process that has added it for this long. If that process dies, another one claims the row. */
export const FIRST_LEASE_MS = 20_000;

/** A row that is new. */
export interface OutboxRow {
  readonly event_id: string;
  readonly sink: SinkName;
}

/**
 * Adds events for each of the sinks, leased to this process. Existing rows do not change. It returns the new rows.
 *
 * @param created without this row it adds nothing
 */
export const insertion = (
  events: readonly SecurityEvent[],
  sinks: readonly SinkName[],
  created?: CreatedRow,
): SqlStatement => ({
  text: `INSERT INTO security_event_outbox (event_id, sink, event, attempts, next_attempt_at)
     SELECT e.event_id, s.sink, e.event, 1, clock_timestamp() + interval '${FIRST_LEASE_MS} milliseconds'
     FROM unnest($1::uuid[], $2::jsonb[]) AS e(event_id, event) CROSS JOIN unnest($3::text[]) AS s(sink)
     ${created === undefined ? "" : `WHERE EXISTS (SELECT FROM ${created.table} WHERE id = $4)`}
     ON CONFLICT DO NOTHING
     RETURNING event_id, sink`,
  values: [
    events.map(({ id }) => id),
    events.map((event) => JSON.stringify(event)),
    sinks,
    ...(created === undefined ? [] : [created.id]),
  ],
  plan: "generic",
});

export const insertEvents = (
  database: Database,
  events: readonly SecurityEvent[],
  sinks: readonly SinkName[],
): Promise<readonly OutboxRow[]> => {
  const { text, values, plan } = insertion(events, sinks);
  return database.query(text, values, { plan });
};

/** Skips rows that another process is claiming. The rows of a process that dies are due when their lease ends. */
const CLAIM = `
WITH due AS (
  SELECT event_id FROM security_event_outbox
  WHERE sink = $1 AND dead_at IS NULL AND next_attempt_at <= now()
  ORDER BY next_attempt_at LIMIT $2 FOR UPDATE SKIP LOCKED
)
UPDATE security_event_outbox o
SET attempts = o.attempts + 1, next_attempt_at = now() + $3 * interval '1 millisecond'
FROM due WHERE o.sink = $1 AND o.event_id = due.event_id
RETURNING o.event_id, o.event, o.attempts`;

const FIRST_BACKOFF_MS = 1_000;
const MAX_BACKOFF_MS = 60_000;

/**
 * Milliseconds until the next attempt, after `attempts`.
 *
 * @param random from 0 to 1: removes up to half
 */
export const backoffMs = (attempts: number, random: number): number =>
  Math.min(MAX_BACKOFF_MS, FIRST_BACKOFF_MS * 2 ** Math.min(attempts - 1, 16)) * (1 - random / 2);

/** The outbox of one sink, for its workers. */
export const sinkOutbox = (database: Database, sink: SinkName) => ({
  /** Leases due events, the most overdue first. `unreadable` has the ids of rows without a valid event. */
  claim: async (limit: number, leaseMs: number) => {
    const leasedAtMs = performance.now();
    const rows = await database.query<{ event_id: string; event: unknown; attempts: number }>(
      CLAIM,
      [sink, limit, leaseMs],
      { plan: "generic" },
    );
    const events: LeasedEvent[] = [];
    const unreadable: string[] = [];
    for (const { event_id, event: stored, attempts } of rows) {
      const event = decodeEvent(stored);
      if (event === undefined) unreadable.push(event_id);
      else events.push({ event, attempts, leasedAtMs });
    }
    return { events, unreadable };
  },
  /** Removes delivered events, even if another process has claimed them since. */
  remove: async (ids: readonly string[]): Promise<void> => {
    const statement = "DELETE FROM security_event_outbox WHERE sink = $1 AND event_id = ANY($2::uuid[])";
    await database.query(statement, [sink, ids]);
  },
  /** Sets the next attempt of failed events. Rows that another process has claimed since do not change. */
  reschedule: async (failed: readonly LeasedEvent[], reason: string): Promise<void> => {
    const ids = failed.map(({ event }) => event.id);
    const attempts = failed.map((each) => each.attempts);
    const delaysMs = attempts.map((made) => backoffMs(made, Math.random()));
    await database.query(
      `UPDATE security_event_outbox o
       SET next_attempt_at = now() + f.delay * interval '1 millisecond', last_error = $5
       FROM unnest($2::uuid[], $3::int[], $4::float8[]) AS f(event_id, attempts, delay)
       WHERE o.sink = $1 AND o.event_id = f.event_id AND o.attempts = f.attempts AND o.dead_at IS NULL`,
      [sink, ids, attempts, delaysMs, reason],
    );
  },
  /** Ends the delivery of events; their rows remain for operators. */
  markDead: async (ids: readonly string[], reason: string): Promise<void> => {
    await database.query(
      `UPDATE security_event_outbox SET dead_at = now(), last_error = $3
       WHERE sink = $1 AND event_id = ANY($2::uuid[]) AND dead_at IS NULL`,
      [sink, ids, reason],
    );
  },
});

/** A sink without rows is absent. */
export type OutboxState = readonly {
  readonly sink: string;
  readonly waiting: number;
  readonly dead: number;
  /** Age of the oldest waiting event, seconds; 0 if none waits. */
  readonly oldestAgeS: number;
}[];

const STATE = `
SELECT sink, count(*) FILTER (WHERE dead_at IS NULL)::int AS waiting,
  count(*) FILTER (WHERE dead_at IS NOT NULL)::int AS dead,
  greatest(0, coalesce(extract(epoch FROM now() - min(enqueued_at) FILTER (WHERE dead_at IS NULL)), 0))::float8
    AS "oldestAgeS"
FROM security_event_outbox GROUP BY sink`;

export const outboxState = (database: Database): Promise<OutboxState> => database.query(STATE);

/**
 * Which sinks still have room in the outbox.
 *
 * @param maxWaiting events per sink; several processes may exceed it by their additions between two refreshes
 */
export const createCapacity = (sinks: readonly SinkName[], maxWaiting: number) => {
  /** Rows at the last refresh, and rows that this process has added since that refresh began. */
  let waiting: ReadonlyMap<string, number> = new Map();
  let added = new Map<string, number>();
  const countOf = (sink: string): number => (waiting.get(sink) ?? 0) + (added.get(sink) ?? 0);

  return {
    open: (): readonly SinkName[] => sinks.filter((sink) => countOf(sink) < maxWaiting),
    add: (rows: readonly { readonly sink: string }[]): void => {
      for (const { sink } of rows) added.set(sink, (added.get(sink) ?? 0) + 1);
    },
    /** Reads the state. Rows added meanwhile may count twice until the next refresh, but none is missed. */
    refresh: async (database: Database): Promise<OutboxState> => {
      waiting = new Map(sinks.map((sink) => [sink, countOf(sink)]));
      added = new Map();
      const state = await outboxState(database);
      waiting = new Map(state.map((row) => [row.sink, row.waiting]));
      return state;
    },
  };
};

/** An event that is not delivered in this time is dead. */
const LIFETIME = "24 hours";
/** Dead events remain this long for operators. */
const DEAD_LIFETIME = "7 days";
const MAX_DEAD = 10_000;

const MARK_EXPIRED_DEAD = `
UPDATE security_event_outbox SET dead_at = now(), last_error = coalesce(last_error, 'never delivered')
WHERE (event_id, sink) IN (
  SELECT event_id, sink FROM security_event_outbox
  WHERE dead_at IS NULL AND enqueued_at <= now() - interval '${LIFETIME}'
  ORDER BY enqueued_at LIMIT $1 FOR UPDATE SKIP LOCKED
) RETURNING sink`;

const REMOVE_DEAD = `
DELETE FROM security_event_outbox WHERE (event_id, sink) IN (
  SELECT event_id, sink FROM (
    SELECT event_id, sink, dead_at, row_number() OVER (ORDER BY dead_at DESC) AS rank
    FROM security_event_outbox WHERE dead_at IS NOT NULL
  ) dead WHERE rank > ${MAX_DEAD} OR dead_at <= now() - interval '${DEAD_LIFETIME}' LIMIT $1
) RETURNING sink`;

/** Bounds the outbox: expired events die, old dead ones are removed. @returns the sink of each event that has expired */
export const cleanOutbox = async (database: Database): Promise<readonly string[]> => {
  const expired = await runInBatches<{ readonly sink: string }>(database, MARK_EXPIRED_DEAD);
  await runInBatches(database, REMOVE_DEAD);
  return expired.map(({ sink }) => sink);
};
