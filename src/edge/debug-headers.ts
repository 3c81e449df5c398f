/** Debug fields on an operator's request: the attempts at origins, and the decision of each rate limit. */
import type { Context, MiddlewareHandler } from "hono";
import { createMiddleware } from "hono/factory";
import type { LimitResult } from "../middleware/rate-limit/limit-check.ts";
import type { EdgeEnv } from "./env.ts";
import type { AttemptRecord } from "./upstream/attempt.ts";

/** The number of attempts at origins. */
const ATTEMPTS_FIELD = "breakwater-attempts";
const LIMITS_FIELD = "breakwater-limits";

/** A metric of Server-Timing (https://www.w3.org/TR/server-timing/), which browsers show. */
const timing = ({ number, cause, origin, outcome, durationMs }: AttemptRecord): string =>
  `attempt-${number};dur=${durationMs};desc="${cause}, origin ${origin}, ${outcome}"`;

const limitItem = ({ limit, outcome, mode }: LimitResult): string =>
  `"${limit.name}";outcome=${outcome};mode=${mode}${limit.dryRun === true ? ";dry-run" : ""}`;

const addFields = (c: Context<EdgeEnv>): void => {
  const { headers } = c.res;
  const attempts = c.get("attempts");
  const limits = c.get("limits") ?? [];
  // Even a cacheable response is now for this operator alone.
  headers.set("cache-control", "private, no-store");
  headers.set(ATTEMPTS_FIELD, String(attempts.length));
  if (limits.length > 0) headers.set(LIMITS_FIELD, limits.map(limitItem).join(", "));
  if (attempts.length > 0) headers.append("server-timing", attempts.map(timing).join(", "));
};

export const debugHeaders = (): MiddlewareHandler<EdgeEnv> =>
  createMiddleware<EdgeEnv>(function debugHeaders(c, next) {
    return next().then(() => {
      if (c.get("debug")) addFields(c);
    });
  });
