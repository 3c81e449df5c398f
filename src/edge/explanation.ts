/** Tells an operator who asks what was done for a request at the origins, and what its limits said. */
import type { LimitResult } from "../middleware/rate-limit/verdict.ts";
import type { AttemptRecord } from "./attempt-events.ts";
import type { EdgeExchange } from "./edge-exchange.ts";

/** The answer's field: how many attempts there were; 0 where no origin was asked. */
const ATTEMPTS_FIELD = "breakwater-attempts";
/** The answer's field: for each limit what it said, and what gave that verdict. */
const LIMITS_FIELD = "breakwater-limits";

/** A metric of Server-Timing (https://www.w3.org/TR/server-timing/), which browsers show. */
const timing = ({ number, cause, origin, outcome, durationMs }: AttemptRecord): string =>
  `attempt-${number};dur=${durationMs};desc="${cause}, origin ${origin}, ${outcome}"`;

const limitItem = ({ limit, outcome, mode }: LimitResult): string =>
  `"${limit.name}";outcome=${outcome};mode=${mode}${limit.dryRun === true ? ";dry-run" : ""}`;

export const explained = (answer: Response, { attempts, limits }: EdgeExchange): Response => {
  const copy = new Response(answer.body, answer);
  // It is for this one alone, whatever others may keep.
  copy.headers.set("cache-control", "private, no-store");
  copy.headers.set(ATTEMPTS_FIELD, String(attempts.length));
  if (limits.length > 0) copy.headers.set(LIMITS_FIELD, limits.map(limitItem).join(", "));
  if (attempts.length > 0) copy.headers.append("server-timing", attempts.map(timing).join(", "));
  return copy;
};
