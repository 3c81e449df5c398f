/** A batch of security events as JSON on its way from the edge to the origin. */
import { isJsonObject, type JsonObject } from "../lib/json-object.ts";
import { isClient } from "../middleware/context/client.ts";
import type { Batch } from "./aggregator.ts";
import {
  AUTH_FAILURE_REASONS,
  bounded,
  type Counts,
  EVENT_TYPES,
  type EventType,
  type Occurrence,
  type SecurityEvent,
} from "./event.ts";

export const MAX_BATCH_EVENTS = 100;
/** Of as many events as may be in it, whatever is in their texts. */
export const MAX_BATCH_BYTES = 256 * 1024;

/** More occurrences nobody has seen: a batch that counts more is none of ours. */
const MAX_COUNT = 1_000_000_000;

export const writeBatch = ({ events, dropped }: Batch): string => JSON.stringify({ events, dropped });

const isWhole = (value: unknown, min: number, max: number): value is number =>
  typeof value === "number" && Number.isInteger(value) && value >= min && value <= max;

const isText = (value: unknown): value is string => typeof value === "string" && value !== "";

const isTextOrNull = (value: unknown): value is string | null => value === null || isText(value);

const UUID = /^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/;
const TRACE_ID = /^[0-9a-f]{32}$/;

/** The common part without what tells of several. */
const readOccurrence = (fields: JsonObject): Occurrence | undefined => {
  const { type, atMs, client, route, requestId, traceId } = fields;
  if (!isWhole(atMs, 0, Number.MAX_SAFE_INTEGER) || !isText(client) || !isText(requestId)) return undefined;
  if (!isTextOrNull(route) || !isTextOrNull(traceId)) return undefined;
  if (!isClient(client) || (traceId !== null && !TRACE_ID.test(traceId))) return undefined;
  const circumstances = { atMs, client, route, requestId, traceId };
  switch (type) {
    case "auth_failure": {
      const { user } = fields;
      const reason = AUTH_FAILURE_REASONS.find((each) => each === fields["reason"]);
      return isText(user) && reason !== undefined ? { ...circumstances, type, user, reason } : undefined;
    }
    case "rate_limit_exceeded": {
      const { endpoint, limits } = fields;
      return isText(endpoint) && Array.isArray(limits) && limits.every(isText)
        ? { ...circumstances, type, endpoint, limits }
        : undefined;
    }
    case "suspicious_activity": {
      const { rule, details } = fields;
      return isText(rule) && typeof details === "string"
        ? { ...circumstances, type, rule, details }
        : undefined;
    }
    case "data_access": {
      const { user, resource, action } = fields;
      return isText(user) && isText(resource) && (action === "read" || action === "write")
        ? { ...circumstances, type, user, resource, action }
        : undefined;
    }
    default:
      return undefined;
  }
};

/** Whether every text in it is bounded and printable already. */
const isBounded = (occurrence: Occurrence): boolean =>
  JSON.stringify(bounded(occurrence)) === JSON.stringify(occurrence);

/** Undefined where it is not what an event can be. */
export const readEvent = (value: unknown): SecurityEvent | undefined => {
  if (!isJsonObject(value)) return undefined;
  const { id, lastAtMs, count } = value;
  const occurrence = readOccurrence(value);
  if (occurrence === undefined || !isBounded(occurrence)) return undefined;
  if (typeof id !== "string" || !UUID.test(id) || !isWhole(count, 1, MAX_COUNT)) return undefined;
  if (!isWhole(lastAtMs, occurrence.atMs, Number.MAX_SAFE_INTEGER)) return undefined;
  return { ...occurrence, id, lastAtMs, count };
};

const readCounts = (value: unknown): Counts | undefined => {
  if (!isJsonObject(value)) return undefined;
  const counts: Partial<Record<EventType, number>> = {};
  for (const [name, count] of Object.entries(value)) {
    const type = EVENT_TYPES.find((each) => each === name);
    if (type === undefined || !isWhole(count, 0, MAX_COUNT)) return undefined;
    counts[type] = count;
  }
  return counts;
};

const parse = (text: string): unknown => {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
};

/** Undefined where it is not what `writeBatch` writes of a gatherer's batch: nothing of it counts then. */
export const readBatch = (text: string): Batch | undefined => {
  const value = parse(text);
  if (!isJsonObject(value) || !Array.isArray(value["events"])) return undefined;
  if (value["events"].length > MAX_BATCH_EVENTS) return undefined;
  const dropped = readCounts(value["dropped"]);
  const events: SecurityEvent[] = [];
  for (const each of value["events"]) {
    const event = readEvent(each);
    if (event === undefined) return undefined;
    events.push(event);
  }
  return dropped === undefined ? undefined : { events, dropped };
};
