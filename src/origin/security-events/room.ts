/** Whether the outbox has room for a sink's events: as it was last seen, and with what was added since. */
import type { SinkState } from "./outbox-upkeep.ts";
import type { SinkName } from "./sink.ts";

export interface Room {
  /** The sinks that have room. */
  open(): readonly SinkName[];
  added(rows: readonly { readonly sink: string }[]): void;
  /**
   * Begins a look. What is added until it ends may be in what it sees, or not: it counts, so that there is never more room
   * than there is; the next look knows.
   *
   * @returns ends it, with what it has seen
   */
  look(): (state: ReadonlyMap<string, SinkState>) => void;
}

/** @param most events that wait for one sink; several processes may exceed it by what they add between two looks */
export const createRoom = (sinks: readonly SinkName[], most: number): Room => {
  const waiting = new Map<string, number>(sinks.map((sink) => [sink, 0]));
  /** In all, by this process. */
  const added = new Map<string, number>(sinks.map((sink) => [sink, 0]));
  const raise = (counts: Map<string, number>, sink: string): void =>
    void counts.set(sink, (counts.get(sink) ?? 0) + 1);
  return {
    open: () => sinks.filter((sink) => (waiting.get(sink) ?? 0) < most),
    added: (rows) => {
      for (const { sink } of rows) {
        raise(waiting, sink);
        raise(added, sink);
      }
    },
    look: () => {
      const before = new Map(added);
      return (state) => {
        for (const sink of sinks) {
          const meanwhile = (added.get(sink) ?? 0) - (before.get(sink) ?? 0);
          waiting.set(sink, (state.get(sink)?.waiting ?? 0) + meanwhile);
        }
      };
    },
  };
};
