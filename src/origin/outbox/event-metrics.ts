/** Metrics of security events. Every label has a closed set of values. */
import type { Meter } from "@opentelemetry/api";
import { EVENT_TYPES, type EventType } from "../../security-events/event.ts";
import type { OutboxState } from "./outbox.ts";
import { SINK_NAMES, type SinkName } from "./sinks.ts";

/** `edge`: reported by an edge. `queue`: this process's buffer was full. `outbox`: a sink's share was full. */
export const DROP_PLACES = ["edge", "queue", "outbox"] as const;

export const DELIVERY_OUTCOMES = ["delivered", "retried", "dead"] as const;

export type EventMetrics = ReturnType<typeof createEventMetrics>;

export const createEventMetrics = (meter: Meter) => {
  const occurred = meter.createCounter("security_events", {
    description: "Occurrences reported by security events, by type",
  });
  const dropped = meter.createCounter("security_events.dropped", {
    description: "Occurrences dropped before delivery, by type and by where a buffer was full",
  });
  const attempted = meter.createCounter("security_event.deliveries", {
    description: "Delivery attempts of events, by sink and outcome",
  });
  // Every process reads the same table, so a sum over them would be wrong: `totals.ts` takes the largest.
  const rows = meter.createGauge("security_event.outbox.rows", {
    description: "Events in the outbox, by sink and state; every process reports the same table",
  });
  const age = meter.createGauge("security_event.outbox.oldest_age", {
    description: "Age of the oldest undelivered event, by sink; every process reports the same table",
    unit: "s",
  });
  const setOutbox = (state: OutboxState): void => {
    for (const sink of SINK_NAMES) {
      const { waiting = 0, dead = 0, oldestAgeS = 0 } = state.find((row) => row.sink === sink) ?? {};
      rows.record(waiting, { sink, state: "waiting" });
      rows.record(dead, { sink, state: "dead" });
      age.record(oldestAgeS, { sink });
    }
  };
  // Every series exists from the start, so that rates are never missing.
  for (const type of EVENT_TYPES) {
    occurred.add(0, { type });
    for (const where of DROP_PLACES) dropped.add(0, { type, where });
  }
  for (const sink of SINK_NAMES) for (const outcome of DELIVERY_OUTCOMES) attempted.add(0, { sink, outcome });
  setOutbox([]);

  return {
    occurred: (type: EventType, count: number): void => occurred.add(count, { type }),
    dropped: (type: EventType, where: (typeof DROP_PLACES)[number], count: number): void =>
      dropped.add(count, { type, where }),
    attempted: (sink: SinkName, outcome: (typeof DELIVERY_OUTCOMES)[number], events: number): void =>
      attempted.add(events, { sink, outcome }),
    setOutbox,
  };
};
