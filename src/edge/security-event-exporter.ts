/** Exports an isolate's security events to an origin, in batches, after the responses of the requests that caused them. */
import { EDGE_PATH } from "../contract/internal-headers.ts";
import { ANONYMOUS_IDENTITY } from "../middleware/auth/principal.ts";
import { UNKNOWN_CLIENT } from "../middleware/context/client.ts";
import type { WaitUntil } from "../middleware/context/index.ts";
import type { Log } from "../middleware/problems/index.ts";
import {
  type Batch,
  createAggregator,
  encodeBatch,
  MAX_BATCH_EVENTS,
} from "../security-events/aggregator.ts";
import type { Occurrence, SecurityEvent } from "../security-events/event.ts";
import { discard } from "./upstream/attempt.ts";
import type { OriginClient } from "./upstream/client.ts";
import { createWaitUntilLoop } from "./wait-until-loop.ts";

export interface SecurityEventExporter {
  record(occurrence: Occurrence): void;
  /** Sends what is due, unless another request does so already. To be called with every request. */
  flush(waitUntil: WaitUntil): void;
}

export interface ExporterDeps {
  readonly client: OriginClient;
  /** Epoch milliseconds. */
  readonly now: () => number;
  /** The second way out: the platform stores what a Worker logs. */
  readonly log: Log;
}

/** How long a first event waits for others, and a batch for the next, milliseconds. */
const BATCH_DELAY_MS = 500;
const EXPORT_TIMEOUT_MS = 4_000;
const FIRST_BACKOFF_MS = 1_000;
const MAX_BACKOFF_MS = 10_000;

/** Accepted, or unreadable for this origin: sending it again would never end. */
const FINAL_STATUSES: readonly number[] = [204, 400];

export const createSecurityEventExporter = ({ client, now, log }: ExporterDeps): SecurityEventExporter => {
  const aggregator = createAggregator({ now, newId: () => crypto.randomUUID() });
  const logged = new WeakSet<SecurityEvent>();
  let notBeforeMs = 0;
  let backoffMs = FIRST_BACKOFF_MS;

  const logOnce = (event: SecurityEvent): void => {
    if (logged.has(event)) return;
    logged.add(event);
    log({ level: "warn", message: "security event", event });
  };

  const send = async (batch: Batch, waitUntil: WaitUntil): Promise<boolean> => {
    const result = await client.send({
      route: "edge_events",
      // Each event has an id, so a repeated batch changes nothing.
      retryMode: "retry",
      waitUntil,
      method: "POST",
      path: `${EDGE_PATH}/events`,
      query: "",
      headers: { "content-type": "application/json" },
      body: new Uint8Array(new TextEncoder().encode(encodeBatch(batch))),
      identity: ANONYMOUS_IDENTITY,
      requestId: crypto.randomUUID(),
      client: UNKNOWN_CLIENT,
      deadlineAtMs: now() + EXPORT_TIMEOUT_MS,
    });
    if (result.kind !== "answered") return false;
    discard(result.response);
    return FINAL_STATUSES.includes(result.response.status);
  };

  const exportBatch = async (waitUntil: WaitUntil): Promise<void> => {
    const batch = aggregator.take(MAX_BATCH_EVENTS);
    if (batch === undefined) return;
    for (const event of batch.events) logOnce(event);
    let isExported = false;
    try {
      isExported = await send(batch, waitUntil);
    } finally {
      aggregator.settle(batch, isExported);
    }
    backoffMs = isExported ? FIRST_BACKOFF_MS : Math.min(2 * backoffMs, MAX_BACKOFF_MS);
    notBeforeMs = now() + (isExported ? BATCH_DELAY_MS : backoffMs);
  };

  return {
    record: (occurrence) => aggregator.add(occurrence),
    flush: createWaitUntilLoop({
      nextAtMs: () => {
        const dueAtMs = aggregator.nextDueAtMs();
        return dueAtMs === undefined ? undefined : Math.max(dueAtMs, notBeforeMs);
      },
      run: exportBatch,
      intervalMs: BATCH_DELAY_MS,
      now,
    }),
  };
};
