/** Where events go. */
import type { SecurityEvent } from "../../security-events/event.ts";

export const SINK_NAMES = ["stdout", "otlp", "webhook"] as const;

export type SinkName = (typeof SINK_NAMES)[number];

/** `refused`: it would not take them another time either. */
export type Reception =
  | { readonly kind: "taken" }
  /** What it said, without anything of what it was sent. */
  | { readonly kind: "refused"; readonly reason: string };

export interface Sink {
  readonly name: SinkName;
  /**
   * Sends events, all or none of which count as taken.
   *
   * @throws where another time may be better; the message holds nothing of what was sent
   */
  send(events: readonly SecurityEvent[]): Promise<Reception>;
}
