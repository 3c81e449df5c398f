/** Admits as many requests as the route's limits allow: 429, or 503 if a limit fails closed. Sets the RateLimit fields. */
import type { Context } from "hono";
import { createMiddleware } from "hono/factory";
import type { Limit } from "../../contract/policy.ts";
import { type Problem, problem } from "../../contract/problem.ts";
import type { AuthVariables } from "../auth/index.ts";
import { principalOf } from "../auth/principal.ts";
import type { ContextVariables } from "../context/index.ts";
import type { Middleware } from "../pipeline.ts";
import { type Log, type RejectionVariables, reject } from "../problems/index.ts";
import type { RouteVariables } from "../route-policy/index.ts";
import type { ReportSecurity } from "../security-report.ts";
import { setHeaders } from "../set-headers.ts";
import { rateLimitFields, rejectionOf } from "./headers.ts";
import type { RateLimiter } from "./limiter.ts";
import { createLimitReport } from "./log.ts";
import type { LimitResult, LimitVerdict } from "./verdict.ts";

export type { RateLimiter } from "./limiter.ts";

export interface RateLimitVariables {
  /** What each limit decided, in the route's order. */
  limits: readonly LimitResult[];
}

/** For telemetry. */
export interface LimitEvent {
  readonly type: "limit";
  readonly route: string;
  readonly result: LimitResult;
}

/** `dry-run`: limits count and report, and reject nothing. */
export type LimitEnforcement = "enforce" | "dry-run" | "off";

export interface RateLimitDeps {
  readonly limiter: RateLimiter;
  readonly limits: RouteLimits;
  readonly report: ReportSecurity;
  readonly observe: (event: LimitEvent) => void;
  readonly log: Log;
  /** Epoch milliseconds. */
  readonly now: () => number;
}

/** A route's limits as they are enforced. */
export type RouteLimits = (limits: readonly Limit[] | undefined) => readonly Limit[];

const NONE: readonly Limit[] = [];

export const routeLimits = (enforcement: LimitEnforcement): RouteLimits => {
  if (enforcement === "enforce") return (limits = NONE) => limits;
  if (enforcement === "off") return () => NONE;
  /** As many entries as there are routes. */
  const dryRuns = new Map<readonly Limit[], readonly Limit[]>();
  return (limits = NONE) => {
    const dryRun = dryRuns.get(limits) ?? limits.map((each) => ({ ...each, dryRun: true }));
    dryRuns.set(limits, dryRun);
    return dryRun;
  };
};

const quoted = (names: readonly string[]): string => names.map((name) => `"${name}"`).join(" and ");

const problemOf = (verdict: LimitVerdict): Problem | undefined => {
  const rejection = rejectionOf(verdict);
  if (rejection === undefined) return undefined;
  const { isUnavailable, limits, retryAfterS } = rejection;
  const headers = { "retry-after": String(retryAfterS) };
  return isUnavailable
    ? problem("unavailable", {
        detail: `The limit ${quoted(limits)} cannot be checked at the moment.`,
        headers,
      })
    : problem("rate_limited", {
        detail: `The limit ${quoted(limits)} is exhausted. Try again in ${retryAfterS} s.`,
        violatedPolicies: limits,
        headers,
      });
};

type Variables = ContextVariables & RouteVariables & AuthVariables & RateLimitVariables & RejectionVariables;
type LimitedContext = Context<{ Variables: Variables }>;

export const rateLimit = ({
  limiter,
  limits: limitsOf,
  report,
  observe,
  log,
  now,
}: RateLimitDeps): Middleware<
  ContextVariables & RouteVariables & AuthVariables,
  RateLimitVariables & RejectionVariables
> => {
  const summarize = createLimitReport(log, now);

  const rejection = (c: LimitedContext, verdict: LimitVerdict): Problem | undefined => {
    c.set("limits", verdict.results);
    const { name, route } = c.get("route");
    for (const result of verdict.results) {
      summarize(result);
      observe({ type: "limit", route: name, result });
    }
    const rejected = problemOf(verdict);
    if (rejected?.code === "rate_limited") {
      const endpoint = `${route.method} ${route.path}`;
      const violated = rejected.violatedPolicies ?? [];
      report(c, name, { type: "rate_limit_exceeded", endpoint, limits: violated });
    }
    return rejected;
  };

  return createMiddleware<{ Variables: Variables }>(async function rateLimit(c, next) {
    const limits = limitsOf(c.get("route").route.policy.limit);
    if (limits.length === 0) return await next();
    const client = { address: c.get("client").name, principal: principalOf(c.get("identity"))?.id };
    const checked = limiter.check(limits, client, c.get("waitUntil"));
    const verdict = checked instanceof Promise ? await checked : checked;
    const rejected = rejection(c, verdict);
    if (rejected === undefined) await next();
    else c.res = reject(c, "limit", rejected);
    setHeaders(c, rateLimitFields(verdict));
  });
};
