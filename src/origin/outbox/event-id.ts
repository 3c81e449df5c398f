/** The ids of events that begin at an origin. */
import { randomUUID } from "node:crypto";
import { parse, v5 as uuidv5 } from "uuid";
import { aggregationKey, type Occurrence } from "../../security-events/event.ts";

/** Made for this purpose (RFC 9562 §6.6). */
const NAMESPACE = parse("0b9d3a5e-6c2f-4d7a-9f41-2e8c5a7d1b60");

/**
 * A request's id determines the id of its access. The edge may send a request to two origins, as a hedge or a retry; if both
 * serve it, both report the same event.
 *
 * @param first sanitized
 * @param count of occurrences: several have an id of their own
 */
export const eventId = (first: Occurrence, count: number): string =>
  first.type === "data_access" && count === 1
    ? uuidv5(Buffer.from(`${first.requestId} ${aggregationKey(first)}`), NAMESPACE)
    : randomUUID();
