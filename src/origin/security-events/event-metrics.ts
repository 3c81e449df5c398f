/** What becomes of security events, as metrics. Every label set is closed. */
import { Counter, Gauge, type Registry } from "prom-client";
import { EVENT_TYPES, type EventType } from "../../security-events/event.ts";
import type { SinkState } from "./outbox-upkeep.ts";
import { SINK_NAMES, type SinkName } from "./sink.ts";

/** `edge`: told by it. `queue`: of this process, before the outbox. `outbox`: a sink's part of it was full. */
export const DROP_PLACES = ["edge", "queue", "outbox"] as const;
export type DropPlace = (typeof DROP_PLACES)[number];

export const DELIVERY_OUTCOMES = ["delivered", "retried", "dead"] as const;
export type DeliveryOutcome = (typeof DELIVERY_OUTCOMES)[number];

export interface EventMetrics {
  /** @param count occurrences that one event stands for */
  happened(type: EventType, count: number): void;
  dropped(type: EventType, where: DropPlace, count: number): void;
  attempted(sink: SinkName, outcome: DeliveryOutcome, events: number): void;
  /** What the outbox was last seen to hold. */
  saw(state: ReadonlyMap<string, SinkState>): void;
}

/** @param registry takes them */
export const createEventMetrics = (registry: Registry): EventMetrics => {
  const registers = [registry];
  const happened = new Counter({
    name: "security_events_total",
    help: "What security events tell of: occurrences, by type",
    labelNames: ["type"],
    registers,
  });
  const dropped = new Counter({
    name: "security_events_dropped_total",
    help: "Occurrences that no sink is told of, by where there was no room",
    labelNames: ["type", "where"],
    registers,
  });
  const attempted = new Counter({
    name: "security_event_deliveries_total",
    help: "Attempts to deliver an event to a sink, by how they ended",
    labelNames: ["sink", "outcome"],
    registers,
  });
  // All processes see the same table: a sum over them would count it several times.
  const shared = { aggregator: "max", registers } as const;
  const rows = new Gauge({
    name: "security_event_outbox_rows",
    help: "Events in the outbox, by sink and state; every process tells of the same table",
    labelNames: ["sink", "state"],
    ...shared,
  });
  const age = new Gauge({
    name: "security_event_outbox_oldest_age_seconds",
    help: "Age of the oldest event that a sink has not taken; every process tells of the same table",
    labelNames: ["sink"],
    ...shared,
  });
  const saw = (state: ReadonlyMap<string, SinkState>): void => {
    for (const sink of SINK_NAMES) {
      const seen = state.get(sink);
      rows.labels(sink, "waiting").set(seen?.waiting ?? 0);
      rows.labels(sink, "dead").set(seen?.dead ?? 0);
      age.labels(sink).set(seen?.oldestAgeS ?? 0);
    }
  };
  // There from the beginning, so that a rate of them is never missing.
  for (const type of EVENT_TYPES) {
    happened.labels(type).inc(0);
    for (const where of DROP_PLACES) dropped.labels(type, where).inc(0);
  }
  for (const sink of SINK_NAMES)
    for (const outcome of DELIVERY_OUTCOMES) attempted.labels(sink, outcome).inc(0);
  saw(new Map());
  return {
    happened: (type, count) => happened.labels(type).inc(count),
    dropped: (type, where, count) => dropped.labels(type, where).inc(count),
    attempted: (sink, outcome, events) => attempted.labels(sink, outcome).inc(events),
    saw,
  };
};
