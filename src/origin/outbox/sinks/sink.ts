/** Destinations of security events. */
import type { SecurityEvent } from "../../../security-events/event.ts";

export const SINK_NAMES = ["stdout", "otlp", "webhook"] as const;

export type SinkName = (typeof SINK_NAMES)[number];

/** `rejected`: sending the same events again would fail too. The reason contains nothing of the events. */
export type SendResult =
  | { readonly kind: "accepted" }
  | { readonly kind: "rejected"; readonly reason: string };

export interface Sink {
  readonly name: SinkName;
  /**
   * Sends events, of which all or none are accepted.
   *
   * @throws if a retry may succeed; the message contains nothing of the events
   */
  send(events: readonly SecurityEvent[]): Promise<SendResult>;
}
