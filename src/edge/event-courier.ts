/** Takes an isolate's security events to an origin, in batches, when the requests that they are of have been answered. */
import { EDGE_PATH } from "../contract/internal-headers.ts";
import { UNKNOWN_CLIENT } from "../middleware/context/client.ts";
import type { Exchange } from "../middleware/exchange.ts";
import { occurrenceOf, type ReportSecurity } from "../middleware/security-report.ts";
import { type Batch, createGatherer } from "../security-events/aggregator.ts";
import { MAX_BATCH_EVENTS, writeBatch } from "../security-events/batch-codec.ts";
import type { SecurityEvent } from "../security-events/event.ts";
import type { OriginClient } from "./origin-client.ts";
import { createRounds } from "./rounds.ts";
import { discard } from "./send-attempt.ts";

export interface EventCourier {
  readonly report: ReportSecurity;
  /** Has what there is taken on its way, where nobody does so any more. */
  tend(inBackground: Exchange["inBackground"]): void;
}

export interface EventCourierDependencies {
  readonly client: OriginClient;
  /** Epoch milliseconds. */
  readonly now: () => number;
  /** The second way out: the platform keeps what an isolate logs. */
  readonly log: (entry: Readonly<Record<string, unknown>>) => void;
}

/** So long a first event waits for others, and a batch for the next one, milliseconds. */
const GATHER_MS = 500;
/** No origin is waited for longer. */
const DELIVERY_TIMEOUT_MS = 4_000;
const FIRST_BACKOFF_MS = 1_000;
const LONGEST_BACKOFF_MS = 10_000;

/** Taken, or never to be: what an origin cannot read would come back for ever. */
const SETTLED: readonly number[] = [204, 400];

export const createEventCourier = ({ client, now, log }: EventCourierDependencies): EventCourier => {
  const gatherer = createGatherer({ now, newId: () => crypto.randomUUID() });
  const logged = new WeakSet<SecurityEvent>();
  let notBeforeMs = 0;
  let backoffMs = FIRST_BACKOFF_MS;

  const logOnce = (event: SecurityEvent): void => {
    if (logged.has(event)) return;
    logged.add(event);
    log({ level: "warn", message: "security event", event });
  };

  const deliver = async (batch: Batch, inBackground: Exchange["inBackground"]): Promise<boolean> => {
    const body = new Uint8Array(new TextEncoder().encode(writeBatch(batch)));
    const answer = await client.send({
      route: "edge_events",
      // Each event has an id.
      repetition: "retry",
      inBackground,
      method: "POST",
      path: `${EDGE_PATH}/events`,
      query: "",
      headers: { "content-type": "application/json" },
      body,
      verdict: { auth: "none" },
      requestId: crypto.randomUUID(),
      clientAddress: UNKNOWN_CLIENT,
      deadlineAtMs: now() + DELIVERY_TIMEOUT_MS,
    });
    if (answer.kind !== "answered") return false;
    discard(answer.response);
    return SETTLED.includes(answer.response.status);
  };

  const takeOnce = async (inBackground: Exchange["inBackground"]): Promise<void> => {
    const batch = gatherer.take(MAX_BATCH_EVENTS);
    if (batch === undefined) return;
    for (const event of batch.events) logOnce(event);
    let hasArrived = false;
    try {
      hasArrived = await deliver(batch, inBackground);
    } finally {
      gatherer.settle(batch, hasArrived);
    }
    backoffMs = hasArrived ? FIRST_BACKOFF_MS : Math.min(2 * backoffMs, LONGEST_BACKOFF_MS);
    notBeforeMs = now() + (hasArrived ? GATHER_MS : backoffMs);
  };

  const tend = createRounds({
    nextAtMs: () => {
      const dueAtMs = gatherer.nextDueAtMs();
      return dueAtMs === undefined ? undefined : Math.max(dueAtMs, notBeforeMs);
    },
    round: takeOnce,
    atLeastMs: GATHER_MS,
    now,
  });

  return {
    report: (exchange, finding) => gatherer.add(occurrenceOf(exchange, finding, now())),
    tend,
  };
};
