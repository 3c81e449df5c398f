/** Removes expired and dead events, so that the outbox stays bounded. */
import type { Database } from "../db/database.ts";

/** An event that is not delivered in this time is dead. */
const LIFETIME = "24 hours";
/** Dead events are kept this long for operators. */
const DEAD_LIFETIME = "7 days";
const MAX_DEAD = 10_000;
/** Rows per statement, so that each holds its locks only briefly. */
const BATCH_SIZE = 1_000;
/** Batches per run; the next run handles the rest. */
const MAX_BATCHES = 20;

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

/** @returns the sink of each changed row */
const runInBatches = async (database: Database, statement: string): Promise<string[]> => {
  const sinks: string[] = [];
  for (let batch = 0; batch < MAX_BATCHES; batch += 1) {
    const rows = await database.query<{ readonly sink: string }>(statement, [BATCH_SIZE]);
    sinks.push(...rows.map(({ sink }) => sink));
    if (rows.length < BATCH_SIZE) break;
  }
  return sinks;
};

/** @returns the sink of each event that has expired */
export const cleanOutbox = async (database: Database): Promise<readonly string[]> => {
  const expired = await runInBatches(database, MARK_EXPIRED_DEAD);
  await runInBatches(database, REMOVE_DEAD);
  return expired;
};
