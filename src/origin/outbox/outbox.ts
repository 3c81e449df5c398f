/** The outbox in PostgreSQL: one row per event and sink, until the event is delivered or dead. */
import type { SecurityEvent } from "../../security-events/event.ts";
import type { Database } from "../db/database.ts";
import { decodeEvent } from "./decode-batch.ts";
import type { SinkName } from "./sinks/sink.ts";

/** An event that one worker has leased for delivery to a sink. */
export interface ClaimedEvent {
  readonly event: SecurityEvent;
  /** Including this one. */
  readonly attempts: number;
}

interface InsertedRow {
  readonly event_id: string;
  readonly sink: string;
}

/** Adds events for each of the sinks. Existing rows do not change. @returns the new rows */
export const insertEvents = (
  database: Database,
  events: readonly SecurityEvent[],
  sinks: readonly SinkName[],
): Promise<readonly InsertedRow[]> =>
  database.query<InsertedRow>(
    `INSERT INTO security_event_outbox (event_id, sink, event)
     SELECT e.event_id, s.sink, e.event::jsonb
     FROM unnest($1::uuid[], $2::text[]) AS e(event_id, event) CROSS JOIN unnest($3::text[]) AS s(sink)
     ON CONFLICT DO NOTHING
     RETURNING event_id, sink`,
    [events.map(({ id }) => id), events.map((event) => JSON.stringify(event)), sinks],
    { plan: "generic" },
  );

/** Skips rows that another process is claiming. If a process dies, its rows are due when the lease ends. */
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

interface ClaimedRow {
  readonly event_id: string;
  readonly event: unknown;
  readonly attempts: number;
}

/** The outbox of one sink, for its workers. */
export const sinkOutbox = (database: Database, sink: SinkName) => ({
  /** Leases due events, the most overdue first. `unreadable` has the ids of rows without a valid event. */
  claim: async (limit: number, leaseMs: number) => {
    const rows = await database.query<ClaimedRow>(CLAIM, [sink, limit, leaseMs], { plan: "generic" });
    const events: ClaimedEvent[] = [];
    const unreadable: string[] = [];
    for (const row of rows) {
      const event = decodeEvent(row.event);
      if (event === undefined) unreadable.push(row.event_id);
      else events.push({ event, attempts: row.attempts });
    }
    return { events, unreadable };
  },
  /** Removes delivered events, even if another process has claimed them since. */
  remove: async (ids: readonly string[]): Promise<void> => {
    const statement = "DELETE FROM security_event_outbox WHERE sink = $1 AND event_id = ANY($2::uuid[])";
    await database.query(statement, [sink, ids]);
  },
  /** Sets the next attempt of failed events. Rows that another process has claimed since do not change. */
  reschedule: async (
    failed: readonly ClaimedEvent[],
    backoffMs: (attempts: number) => number,
    reason: string,
  ): Promise<void> => {
    const attempts = failed.map((each) => each.attempts);
    await database.query(
      `UPDATE security_event_outbox o
       SET next_attempt_at = now() + f.delay * interval '1 millisecond', last_error = $5
       FROM unnest($2::uuid[], $3::int[], $4::float8[]) AS f(event_id, attempts, delay)
       WHERE o.sink = $1 AND o.event_id = f.event_id AND o.attempts = f.attempts AND o.dead_at IS NULL`,
      [sink, failed.map(({ event }) => event.id), attempts, attempts.map(backoffMs), reason],
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
