/** How full the outbox is, and which sinks still have room in it. */
import type { Database } from "../db/database.ts";
import type { SinkName } from "./sinks/sink.ts";

interface SinkState {
  readonly waiting: number;
  readonly dead: number;
  /** Age of the oldest waiting event, seconds; 0 if none waits. */
  readonly oldestAgeS: number;
}

/** By sink; a sink without rows is absent. */
export type OutboxState = ReadonlyMap<string, SinkState>;

interface StateRow extends SinkState {
  readonly sink: string;
}

const readState = async (database: Database): Promise<OutboxState> => {
  const rows = await database.query<StateRow>(
    `SELECT sink, count(*) FILTER (WHERE dead_at IS NULL)::int AS waiting,
       count(*) FILTER (WHERE dead_at IS NOT NULL)::int AS dead,
       greatest(0, coalesce(extract(epoch FROM now() - min(enqueued_at) FILTER (WHERE dead_at IS NULL)), 0))::float8
         AS "oldestAgeS"
     FROM security_event_outbox GROUP BY sink`,
  );
  return new Map(rows.map((row) => [row.sink, row]));
};

/** @param maxWaiting events per sink; several processes may exceed it by what they add between two refreshes */
export const createCapacity = (sinks: readonly SinkName[], maxWaiting: number) => {
  /** Rows at the last refresh, and rows that this process has added since that refresh began. */
  let waiting: ReadonlyMap<string, number> = new Map();
  let added = new Map<string, number>();
  const countOf = (sink: string): number => (waiting.get(sink) ?? 0) + (added.get(sink) ?? 0);

  return {
    /** The sinks with room for more events. */
    open: (): readonly SinkName[] => sinks.filter((sink) => countOf(sink) < maxWaiting),
    add: (rows: readonly { readonly sink: string }[]): void => {
      for (const { sink } of rows) added.set(sink, (added.get(sink) ?? 0) + 1);
    },
    /** Reads the state. Rows added meanwhile may be counted twice until the next refresh, but never too few are. */
    refresh: async (database: Database): Promise<OutboxState> => {
      waiting = new Map(sinks.map((sink) => [sink, countOf(sink)]));
      added = new Map();
      const state = await readState(database);
      waiting = new Map([...state].map(([sink, { waiting: count }]) => [sink, count]));
      return state;
    },
  };
};
