/** Keeps the outbox bounded, and sees how full it is. */
import type { Database } from "../db/database.ts";

/** An event that no sink took for so long is dead. */
const LIFETIME = "24 hours";
/** So long the dead are kept for people to look at. */
const DEAD_LIFETIME = "7 days";
/** And no more of them than so many. */
const MAX_DEAD = 10_000;
/** Rows that one statement changes: it holds its locks for a moment only. */
const BATCH = 1_000;
/** Batches of one round: what is left over waits for the next. */
const MAX_BATCHES = 20;

const BURY_OLD = `
UPDATE security_event_outbox SET dead_at = now(), last_error = coalesce(last_error, 'nobody took it')
WHERE (event_id, sink) IN (
  SELECT event_id, sink FROM security_event_outbox
  WHERE dead_at IS NULL AND enqueued_at <= now() - interval '${LIFETIME}'
  ORDER BY enqueued_at LIMIT $1 FOR UPDATE SKIP LOCKED
) RETURNING sink`;

const REMOVE_OLD_DEAD = `
DELETE FROM security_event_outbox WHERE (event_id, sink) IN (
  SELECT event_id, sink FROM security_event_outbox
  WHERE dead_at <= now() - interval '${DEAD_LIFETIME}'
  ORDER BY dead_at LIMIT $1 FOR UPDATE SKIP LOCKED
) RETURNING sink`;

const REMOVE_SURPLUS_DEAD = `
DELETE FROM security_event_outbox WHERE (event_id, sink) IN (
  SELECT event_id, sink FROM security_event_outbox
  WHERE dead_at IS NOT NULL ORDER BY dead_at DESC OFFSET ${MAX_DEAD} LIMIT $1
) RETURNING sink`;

interface SinkRow {
  readonly sink: string;
}

const inBatches = async (database: Database, statement: string): Promise<SinkRow[]> => {
  const rows: SinkRow[] = [];
  for (let batch = 0; batch < MAX_BATCHES; batch += 1) {
    const changed = await database.query<SinkRow>(statement, [BATCH]);
    rows.push(...changed);
    if (changed.length < BATCH) break;
  }
  return rows;
};

/** @returns the sink of each event that died of age, once an event */
export const cleanOutbox = async (database: Database): Promise<readonly string[]> => {
  const buried = await inBatches(database, BURY_OLD);
  await inBatches(database, REMOVE_OLD_DEAD);
  await inBatches(database, REMOVE_SURPLUS_DEAD);
  return buried.map(({ sink }) => sink);
};

export interface SinkState {
  readonly waiting: number;
  readonly dead: number;
  /** Of the oldest one that waits, seconds; 0 where none does. */
  readonly oldestAgeS: number;
}

interface StateRow {
  readonly sink: string;
  readonly waiting: number;
  readonly dead: number;
  readonly oldest_age: number;
}

/** How full it is, by sink; one that is absent has nothing. */
export const outboxState = async (database: Database): Promise<ReadonlyMap<string, SinkState>> => {
  const rows = await database.query<StateRow>(
    `SELECT sink, count(*) FILTER (WHERE dead_at IS NULL)::int AS waiting,
       count(*) FILTER (WHERE dead_at IS NOT NULL)::int AS dead,
       coalesce(extract(epoch FROM now() - min(enqueued_at) FILTER (WHERE dead_at IS NULL)), 0)::float8 AS oldest_age
     FROM security_event_outbox GROUP BY sink`,
  );
  return new Map(
    rows.map((row) => [
      row.sink,
      { waiting: row.waiting, dead: row.dead, oldestAgeS: Math.max(0, row.oldest_age) },
    ]),
  );
};
