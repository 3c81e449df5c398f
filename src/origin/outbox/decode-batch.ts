/** Validates security events: batches from an edge, and rows of the outbox. */
import * as z from "zod/mini";
import { isClient } from "../../middleware/context/client.ts";
import { type Batch, MAX_BATCH_EVENTS } from "../../security-events/aggregator.ts";
import {
  AUTH_FAILURE_REASONS,
  EVENT_TYPES,
  type SecurityEvent,
  sanitizeOccurrence,
} from "../../security-events/event.ts";

const MAX_COUNT = 1_000_000_000;

const text = z.string().check(z.minLength(1));
const time = z.int().check(z.minimum(0));

const common = z.object({
  id: z.string().check(z.regex(/^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/)),
  atMs: time,
  lastAtMs: time,
  count: z.int().check(z.minimum(1), z.maximum(MAX_COUNT)),
  client: z.string().check(z.refine(isClient)),
  route: z.nullable(text),
  requestId: text,
  traceId: z.nullable(z.string().check(z.regex(/^[0-9a-f]{32}$/))),
});

const event = z
  .discriminatedUnion("type", [
    z.extend(common, { type: z.literal("auth_failure"), user: text, reason: z.enum(AUTH_FAILURE_REASONS) }),
    z.extend(common, { type: z.literal("rate_limit_exceeded"), endpoint: text, limits: z.array(text) }),
    z.extend(common, { type: z.literal("suspicious_activity"), rule: text, details: z.string() }),
    z.extend(common, {
      type: z.literal("data_access"),
      user: text,
      resource: text,
      action: z.enum(["read", "write"]),
    }),
  ])
  .check(
    z.refine(({ atMs, lastAtMs }) => lastAtMs >= atMs),
    z.refine((value) => JSON.stringify({ ...value, ...sanitizeOccurrence(value) }) === JSON.stringify(value)),
  );

const batch = z.object({
  events: z.array(event).check(z.maxLength(MAX_BATCH_EVENTS)),
  dropped: z.partialRecord(z.enum(EVENT_TYPES), z.int().check(z.minimum(0), z.maximum(MAX_COUNT))),
});

/** @returns undefined unless it is a sanitized event; the unknown fields of a newer edge are removed */
export const decodeEvent = (value: unknown): SecurityEvent | undefined => event.safeParse(value).data;

/** @returns undefined unless `encodeBatch` made it: one invalid event rejects the batch */
export const decodeBatch = (json: string): Batch | undefined => {
  try {
    return batch.safeParse(JSON.parse(json)).data;
  } catch {
    return undefined;
  }
};
