/** The outbox in PostgreSQL: what is in it is delivered, or dead and seen to be. */

import { readEvent } from "../../security-events/batch-codec.ts";
import type { SecurityEvent } from "../../security-events/event.ts";
import type { Database } from "../db/database.ts";
import type { SinkName } from "./sink.ts";

/** An event on its way to one sink, as a worker has it under a lease. */
export interface Claimed {
  readonly event: SecurityEvent;
  /** This one included. */
  readonly attempts: number;
}

const INSERT = `
INSERT INTO security_event_outbox (event_id, sink, event)
SELECT e.event_id, s.sink, e.event::jsonb
FROM unnest($1::uuid[], $2::text[]) AS e(event_id, event) CROSS JOIN unnest($3::text[]) AS s(sink)
ON CONFLICT DO NOTHING
RETURNING event_id, sink`;

interface InsertedRow {
  readonly event_id: string;
  readonly sink: string;
}

/** Adds events for every one of these sinks; what is there already stays. @returns the rows that are new */
export const insertEvents = (
  database: Database,
  events: readonly SecurityEvent[],
  sinks: readonly SinkName[],
): Promise<readonly InsertedRow[]> =>
  database.query<InsertedRow>(
    INSERT,
    [events.map(({ id }) => id), events.map((event) => JSON.stringify(event)), sinks],
    { plan: "generic" },
  );

/** Another process' rows are left to it. Whoever dies with a lease leaves them due at its end. */
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

interface ClaimRow {
  readonly event_id: string;
  readonly event: unknown;
  readonly attempts: number;
}

export interface Claim {
  readonly events: readonly Claimed[];
  /** Ids of rows that hold no event that this program knows: a newer program's, or somebody's own. */
  readonly unreadable: readonly string[];
}

/** Takes what is due, the most overdue first, for so long. @param leaseMs milliseconds */
export const claimEvents = async (
  database: Database,
  sink: SinkName,
  { most, leaseMs }: { readonly most: number; readonly leaseMs: number },
): Promise<Claim> => {
  const rows = await database.query<ClaimRow>(CLAIM, [sink, most, leaseMs], { plan: "generic" });
  const events: Claimed[] = [];
  const unreadable: string[] = [];
  for (const row of rows) {
    const event = readEvent(row.event);
    if (event === undefined) unreadable.push(row.event_id);
    else events.push({ event, attempts: row.attempts });
  }
  return { events, unreadable };
};

/** Whoever has it by now: it has arrived. */
export const removeDelivered = async (
  database: Database,
  sink: SinkName,
  ids: readonly string[],
): Promise<void> => {
  await database.query("DELETE FROM security_event_outbox WHERE sink = $1 AND event_id = ANY($2::uuid[])", [
    sink,
    ids,
  ]);
};

/** What failed is due again. A row whose lease has ended, and that somebody else has taken, is left to him. */
export const postpone = async (
  database: Database,
  sink: SinkName,
  failed: readonly (Claimed & { readonly delayMs: number })[],
  reason: string,
): Promise<void> => {
  await database.query(
    `UPDATE security_event_outbox o
     SET next_attempt_at = now() + f.delay * interval '1 millisecond', last_error = $5
     FROM unnest($2::uuid[], $3::int[], $4::float8[]) AS f(event_id, attempts, delay)
     WHERE o.sink = $1 AND o.event_id = f.event_id AND o.attempts = f.attempts AND o.dead_at IS NULL`,
    [
      sink,
      failed.map(({ event }) => event.id),
      failed.map(({ attempts }) => attempts),
      failed.map(({ delayMs }) => delayMs),
      reason,
    ],
  );
};

/** Nobody tries them again. */
export const bury = async (
  database: Database,
  sink: SinkName,
  ids: readonly string[],
  reason: string,
): Promise<void> => {
  await database.query(
    `UPDATE security_event_outbox SET dead_at = now(), last_error = $3
     WHERE sink = $1 AND event_id = ANY($2::uuid[]) AND dead_at IS NULL`,
    [sink, ids, reason],
  );
};
