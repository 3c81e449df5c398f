/** The variables of a request at the edge: those of the shared middleware, and its own. */
import type { AuthVariables } from "../middleware/auth/index.ts";
import type { BodyVariables } from "../middleware/body-limit/index.ts";
import type { ContextVariables } from "../middleware/context/index.ts";
import type { RejectionVariables } from "../middleware/problems/index.ts";
import type { RateLimitVariables } from "../middleware/rate-limit/index.ts";
import type { CacheOutcome } from "../middleware/response-cache/respond.ts";
import type { RouteVariables } from "../middleware/route-policy/index.ts";
import type { AttemptRecord } from "./upstream/attempt.ts";

interface EdgeVariables {
  /** In the order of their ends. */
  attempts: AttemptRecord[];
  /** Undefined if the cache was not used. */
  cacheOutcome: CacheOutcome | undefined;
}

export interface EdgeEnv {
  Bindings: Readonly<Record<string, unknown>>;
  Variables: ContextVariables &
    RouteVariables &
    AuthVariables &
    BodyVariables &
    EdgeVariables &
    Partial<RateLimitVariables & RejectionVariables>;
}
