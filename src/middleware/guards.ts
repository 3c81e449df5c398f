/** The guards in the order in which they run. Both tiers mount this list. */
import type { MiddlewareHandler } from "hono";
import type { EdgeRoutes } from "../contract/edge-manifest.ts";
import type { Occurrence } from "../security-events/event.ts";
import { type ApiKeysDeps, apiKeys } from "./auth/api-keys.ts";
import { checkCredentials } from "./auth/credentials.ts";
import { FailedChecks } from "./auth/failed-checks.ts";
import { auth } from "./auth/index.ts";
import { createJwtVerifier } from "./auth/jwt.ts";
import { blocklist } from "./blocklist/index.ts";
import { blocklistSnapshot, type LoadBlocklist } from "./blocklist/snapshot.ts";
import { type BodyLimitDeps, bodyLimit } from "./body-limit/index.ts";
import type { GuardConfig } from "./config.ts";
import type { ContextVariables } from "./context/index.ts";
import { type DeprecatedCall, deprecation } from "./deprecation/index.ts";
import { Pipeline } from "./pipeline.ts";
import type { Log } from "./problems/index.ts";
import { type LimitEvent, type RateLimiter, rateLimit } from "./rate-limit/index.ts";
import { routePolicy } from "./route-policy/index.ts";
import { compileRoutes } from "./route-policy/route-table.ts";
import { screening } from "./screening/index.ts";
import { securityReport } from "./security-report.ts";

/** The tiers differ in these. */
export interface GuardDeps extends Pick<BodyLimitDeps, "bodyOf"> {
  readonly routes: EdgeRoutes;
  readonly config: GuardConfig;
  /** Undefined without a blocklist. */
  readonly loadBlocklist: LoadBlocklist | undefined;
  readonly lookUpKey: ApiKeysDeps["lookup"];
  /** For the issuer's key set. */
  readonly fetch: typeof globalThis.fetch;
  readonly limiter: RateLimiter;
  readonly recordEvent: (occurrence: Occurrence) => void;
  readonly observe: (event: LimitEvent | DeprecatedCall) => void;
  readonly log: Log;
  /** Epoch milliseconds. */
  readonly now: () => number;
}

/** The guards' names in telemetry. */
export const GUARD_NAMES = ["blocklist", "screening", "route", "authentication", "limit", "body"] as const;

export const guards = (deps: GuardDeps): readonly MiddlewareHandler[] => {
  const { config, limiter, loadBlocklist: load, observe, log, now } = deps;
  const routes = compileRoutes(deps.routes);
  const report = securityReport(deps.recordEvent, now);
  const snapshot = load === undefined ? () => undefined : blocklistSnapshot({ load, now, log });
  const tokens = createJwtVerifier({
    issuer: config.JWT_ISSUER,
    audience: config.JWT_AUDIENCE,
    jwksUrl: config.JWT_JWKS_URL,
    algorithms: config.JWT_ALGORITHMS,
    fetch: deps.fetch,
    now,
    log,
  });
  const keys = apiKeys({ lookup: deps.lookUpKey, now });
  const check = checkCredentials({ apiKeys: keys, tokens, failedChecks: new FailedChecks(now), now });

  return new Pipeline<ContextVariables>()
    .use(blocklist({ snapshot, report, now, check }))
    .use(screening({ routes, report }))
    .use(routePolicy({ routes, now }))
    .use(auth({ check, tokens, report }))
    .use(deprecation({ observe }))
    .use(rateLimit({ limiter, enforcement: config.RATE_LIMITS, report, observe, log, now }))
    .use(bodyLimit(deps)).handlers;
};
