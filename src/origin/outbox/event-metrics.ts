/** Prometheus metrics of security events. Every label has a closed set of values. */
import { Counter, Gauge, type Registry } from "prom-client";
import { EVENT_TYPES, type EventType } from "../../security-events/event.ts";
import type { OutboxState } from "./outbox.ts";
import { SINK_NAMES, type SinkName } from "./sinks.ts";

/** `edge`: reported by an edge. `queue`: this process's buffer was full. `outbox`: a sink's share was full. */
export const DROP_PLACES = ["edge", "queue", "outbox"] as const;

export const DELIVERY_OUTCOMES = ["delivered", "retried", "dead"] as const;

export type EventMetrics = ReturnType<typeof createEventMetrics>;

export const createEventMetrics = (registry: Registry) => {
  const registers = [registry];
  const occurred = new Counter({
    name: "security_events_total",
    help: "Occurrences reported by security events, by type",
    labelNames: ["type"],
    registers,
  });
  const dropped = new Counter({
    name: "security_events_dropped_total",
    help: "Occurrences dropped before delivery, by type and by where a buffer was full",
    labelNames: ["type", "where"],
    registers,
  });
  const attempted = new Counter({
    name: "security_event_deliveries_total",
    help: "Delivery attempts of events, by sink and outcome",
    labelNames: ["sink", "outcome"],
    registers,
  });
  // Every process reads the same table, so a sum over them would be wrong.
  const rows = new Gauge({
    name: "security_event_outbox_rows",
    help: "Events in the outbox, by sink and state; every process reports the same table",
    labelNames: ["sink", "state"],
    aggregator: "max",
    registers,
  });
  const age = new Gauge({
    name: "security_event_outbox_oldest_age_seconds",
    help: "Age of the oldest undelivered event, by sink; every process reports the same table",
    labelNames: ["sink"],
    aggregator: "max",
    registers,
  });
  const setOutbox = (state: OutboxState): void => {
    for (const sink of SINK_NAMES) {
      const { waiting = 0, dead = 0, oldestAgeS = 0 } = state.find((row) => row.sink === sink) ?? {};
      rows.set({ sink, state: "waiting" }, waiting);
      rows.set({ sink, state: "dead" }, dead);
      age.set({ sink }, oldestAgeS);
    }
  };
  // Every series exists from the start, so that rates are never missing.
  for (const type of EVENT_TYPES) {
    occurred.inc({ type }, 0);
    for (const where of DROP_PLACES) dropped.inc({ type, where }, 0);
  }
  for (const sink of SINK_NAMES) for (const outcome of DELIVERY_OUTCOMES) attempted.inc({ sink, outcome }, 0);
  setOutbox([]);

  return {
    occurred: (type: EventType, count: number): void => occurred.inc({ type }, count),
    dropped: (type: EventType, where: (typeof DROP_PLACES)[number], count: number): void =>
      dropped.inc({ type, where }, count),
    attempted: (sink: SinkName, outcome: (typeof DELIVERY_OUTCOMES)[number], events: number): void =>
      attempted.inc({ sink, outcome }, events),
    setOutbox,
  };
};
