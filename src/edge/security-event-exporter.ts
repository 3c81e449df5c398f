/** Exports an isolate's security events to an origin: in batches, after the responses. */
import { EDGE_PATH } from "../contract/internal-headers.ts";
import { ANONYMOUS_IDENTITY } from "../middleware/auth/principal.ts";
import { UNKNOWN_CLIENT } from "../middleware/context/client.ts";
import type { WaitUntil } from "../middleware/context/index.ts";
import {
  type Batch,
  createAggregator,
  encodeBatch,
  MAX_BATCH_EVENTS,
} from "../security-events/aggregator.ts";
import type { Occurrence, SecurityEvent } from "../security-events/event.ts";
import type { EdgeDeps } from "./app.ts";
import { discard } from "./upstream/attempt.ts";
import type { OriginClient } from "./upstream/client.ts";
import { createWaitUntilLoop } from "./wait-until-loop.ts";

export interface SecurityEventExporter {
  record(occurrence: Occurrence): void;
  /** Call it with every request: sends the events that are due, unless another request is doing so. */
  flush(waitUntil: WaitUntil): void;
}

interface ExporterDeps extends Pick<EdgeDeps, "now" | "log"> {
  readonly client: OriginClient;
}

/** Time that a first event waits for others, and that passes between batches, milliseconds. */
const BATCH_DELAY_MS = 500;
const EXPORT_TIMEOUT_MS = 4_000;
const FIRST_BACKOFF_MS = 1_000;
const MAX_BACKOFF_MS = 10_000;

/** Accepted, or unreadable for this origin: a retry would fail forever. */
const FINAL_STATUSES: readonly number[] = [204, 400];

export const createSecurityEventExporter = ({ client, now, log }: ExporterDeps): SecurityEventExporter => {
  const aggregator = createAggregator({ now, newId: () => crypto.randomUUID() });
  const logged = new WeakSet<SecurityEvent>();
  let notBeforeMs = 0;
  let backoffMs = FIRST_BACKOFF_MS;

  /** The log is a second destination: the platform stores it. */
  const logOnce = (event: SecurityEvent): void => {
    if (logged.has(event)) return;
    logged.add(event);
    log({ level: "warn", message: "security event", event });
  };

  const send = async (batch: Batch, waitUntil: WaitUntil): Promise<boolean> => {
    const result = await client.send({
      route: "edge_events",
      // Events have ids, so a repeated batch has no effect.
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
      nextAtMs: () => Math.max(aggregator.nextDueAtMs() ?? Number.POSITIVE_INFINITY, notBeforeMs),
      run: exportBatch,
      intervalMs: BATCH_DELAY_MS,
      now,
    }),
  };
};
