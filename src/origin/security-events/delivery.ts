/** Takes what is due in the outbox to one sink, at least once. Any number of processes may do it side by side. */
import type { Database } from "../db/database.ts";
import { logTransitions } from "../lifecycle/state-change-log.ts";
import type { OriginLog } from "../log/log.ts";
import { attempt } from "./attempt.ts";
import type { EventMetrics } from "./event-metrics.ts";
import { bury, claimEvents, postpone, removeDelivered } from "./outbox.ts";
import type { Sink } from "./sink.ts";

/** Events of one request to a sink at most. */
const BATCH = 100;
/** Batches of one round: what is left over waits for the next. */
const MAX_BATCHES = 200;
/** Longer than an attempt takes, with the statements behind it, milliseconds. */
const LEASE_MS = 60_000;
/** After so long no further request of an attempt begins: the last one's end is within the lease. */
const BEGIN_WITHIN_MS = 30_000;

const MAX_ERROR_LENGTH = 200;

export interface DeliveryDependencies {
  readonly database: Database;
  readonly metrics: EventMetrics;
  readonly log: OriginLog;
  /** How long what has failed waits, by the attempts made. Milliseconds. */
  readonly backoffMs: (attempts: number) => number;
  /** Monotonic milliseconds. */
  readonly now: () => number;
}

/** What `fetch` says of a failure is in its cause. */
const messageOf = (error: unknown): string => {
  const cause = error instanceof Error && error.cause instanceof Error ? error.cause : error;
  return String(cause instanceof Error ? cause.message || cause.name : cause).slice(0, MAX_ERROR_LENGTH);
};

/** @returns a round: it ends when nothing is due, or the sink fails, or the signal aborts; it never rejects */
export const delivering = (
  sink: Sink,
  { database, metrics, log, backoffMs, now }: DeliveryDependencies,
): ((signal: AbortSignal) => Promise<void>) => {
  const { name } = sink;
  const told = logTransitions(`security events for the sink ${name}`, "delivered", log);

  /** @returns whether to go on */
  const deliverSome = async (): Promise<boolean> => {
    const claimedAtMs = now();
    const { events, unreadable } = await claimEvents(database, name, { most: BATCH, leaseMs: LEASE_MS });
    if (unreadable.length > 0) {
      await bury(database, name, unreadable, "it is no event that this program knows");
      metrics.attempted(name, "dead", unreadable.length);
    }
    if (events.length === 0) return false;
    const isInTime = (): boolean => now() - claimedAtMs < BEGIN_WITHIN_MS;
    const { delivered, refused, failed, error } = await attempt(sink, events, isInTime);
    const idsOf = delivered.map(({ event }) => event.id);
    if (idsOf.length > 0) {
      await removeDelivered(database, name, idsOf);
      metrics.attempted(name, "delivered", idsOf.length);
    }
    for (const { claimed, reason } of refused) {
      await bury(database, name, [claimed.event.id], reason);
      metrics.attempted(name, "dead", 1);
      log.warn({ sink: name, eventId: claimed.event.id, reason }, "a sink refuses a security event for good");
    }
    if (failed.length === 0) {
      told.succeeded();
      return events.length + unreadable.length === BATCH;
    }
    told.failed(error);
    const due = failed.map((claimed) => ({ ...claimed, delayMs: backoffMs(claimed.attempts) }));
    await postpone(database, name, due, messageOf(error));
    metrics.attempted(name, "retried", failed.length);
    return false;
  };

  return async (signal) => {
    try {
      for (let batch = 0; batch < MAX_BATCHES && !signal.aborted; batch += 1) {
        if (!(await deliverSome())) return;
      }
    } catch (error) {
      // What was claimed is due again at its lease's end; at the process' own end nothing has failed.
      if (!signal.aborted) told.failed(error);
    }
  };
};
