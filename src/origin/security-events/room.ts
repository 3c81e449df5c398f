/** Whether the outbox has room for a sink's events: as it was last seen, and with what was added since. */
import type { SinkState } from "./outbox-upkeep.ts";
import type { SinkName } from "./sink.ts";

export interface Room {
  /** The sinks that have room. */
  open(): readonly SinkName[];
  added(rows: readonly { readonly sink: string }[]): void;
  saw(state: ReadonlyMap<string, SinkState>): void;
}

/** @param most events that wait for one sink; several processes may exceed it by what they add between two looks */
export const createRoom = (sinks: readonly SinkName[], most: number): Room => {
  const waiting = new Map<string, number>(sinks.map((sink) => [sink, 0]));
  return {
    open: () => sinks.filter((sink) => (waiting.get(sink) ?? 0) < most),
    added: (rows) => {
      for (const { sink } of rows) waiting.set(sink, (waiting.get(sink) ?? 0) + 1);
    },
    saw: (state) => {
      for (const sink of sinks) waiting.set(sink, state.get(sink)?.waiting ?? 0);
    },
  };
};
