/** One attempt to deliver events to a sink. */
import type { Claimed } from "./outbox.ts";
import type { Sink } from "./sink.ts";

export interface AttemptResult {
  readonly delivered: readonly Claimed[];
  readonly refused: readonly { readonly claimed: Claimed; readonly reason: string }[];
  readonly failed: readonly Claimed[];
  /** Why those failed. */
  readonly error: unknown;
}

const nothing: AttemptResult = { delivered: [], refused: [], failed: [], error: undefined };

const together = (one: AttemptResult, other: AttemptResult): AttemptResult => ({
  delivered: [...one.delivered, ...other.delivered],
  refused: [...one.refused, ...other.refused],
  failed: [...one.failed, ...other.failed],
  error: one.error ?? other.error,
});

const outOfTime = new Error("there was no time left for it");

/**
 * A batch that is refused is sent again in halves, so that an event that nobody takes harms itself alone.
 *
 * @param isInTime whether another request may still begin
 */
export const attempt = async (
  sink: Sink,
  events: readonly Claimed[],
  isInTime: () => boolean,
): Promise<AttemptResult> => {
  const [only, ...others] = events;
  if (only === undefined) return nothing;
  if (!isInTime()) return { ...nothing, failed: events, error: outOfTime };
  try {
    const reception = await sink.send(events.map(({ event }) => event));
    if (reception.kind === "taken") return { ...nothing, delivered: events };
    if (others.length === 0) return { ...nothing, refused: [{ claimed: only, reason: reception.reason }] };
  } catch (error) {
    return { ...nothing, failed: events, error };
  }
  const middle = Math.ceil(events.length / 2);
  const first = await attempt(sink, events.slice(0, middle), isInTime);
  return together(first, await attempt(sink, events.slice(middle), isInTime));
};
