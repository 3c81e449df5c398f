/**
 * Admits as many requests as the route's limits allow: 429, or 503 if a limit fails closed. Sets the RateLimit fields
 * (draft-ietf-httpapi-ratelimit-headers-11).
 */
import { createMiddleware } from "hono/factory";
import { costOf } from "../../contract/policy.ts";
import { type Problem, problem } from "../../contract/problem.ts";
import type { AuthVariables } from "../auth/index.ts";
import { principalOf } from "../auth/principal.ts";
import type { ContextVariables } from "../context/index.ts";
import type { Middleware } from "../pipeline.ts";
import { type Log, type RejectionVariables, reject, setHeaders } from "../problems/index.ts";
import type { RouteVariables } from "../route-policy/index.ts";
import type { ReportSecurity } from "../security-report.ts";
import { type LimitResult, type LimitVerdict, rejects } from "./limit-check.ts";
import type { RateLimiter } from "./limiter.ts";

export type { RateLimiter } from "./limiter.ts";

export interface RateLimitVariables {
  /** The decision of each limit, in the route's order. */
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
  readonly enforcement: LimitEnforcement;
  readonly report: ReportSecurity;
  readonly observe: (event: LimitEvent) => void;
  readonly log: Log;
  /** Epoch milliseconds. */
  readonly now: () => number;
}

type Needs = ContextVariables & RouteVariables & AuthVariables;
type Variables = Needs & RateLimitVariables & RejectionVariables;

export const rateLimit = ({
  limiter,
  enforcement,
  report,
  observe,
  log,
  now,
}: RateLimitDeps): Middleware<Needs, RateLimitVariables & RejectionVariables> => {
  const logLimit = createLimitLog(log, now);

  return createMiddleware<{ Variables: Variables }>(async function rateLimit(c, next) {
    const { name, route } = c.get("route");
    const { limit = [] } = route.policy;
    if (limit.length === 0 || enforcement === "off") return await next();
    const limits = enforcement === "enforce" ? limit : limit.map((each) => ({ ...each, dryRun: true }));
    const client = { network: c.get("client").network, principal: principalOf(c.get("identity"))?.id };
    const checked = limiter.check(limits, client, c.get("waitUntil"));
    const verdict = checked instanceof Promise ? await checked : checked;
    c.set("limits", verdict.results);
    for (const result of verdict.results) {
      logLimit(result);
      observe({ type: "limit", route: name, result });
    }
    const rejection = rejectionOf(verdict);
    if (rejection?.violatedPolicies !== undefined) {
      const endpoint = `${route.method} ${route.path}`;
      report(c, name, { type: "rate_limit_exceeded", endpoint, limits: rejection.violatedPolicies });
    }
    if (rejection === undefined) await next();
    else c.res = reject(c, "limit", rejection);
    setHeaders(c, rateLimitFields(verdict));
  });
};

const secondsOf = (ms: number): number => Math.max(1, Math.ceil(ms / 1000));

/** @returns undefined if the request is admitted */
export const rejectionOf = ({ isAdmitted, results }: LimitVerdict): Problem | undefined => {
  if (isAdmitted) return undefined;
  const rejecting = results.filter(rejects);
  const limited = rejecting.filter(({ outcome }) => outcome === "limited");
  const reported = limited.length > 0 ? limited : rejecting;
  const limits = reported.map(({ limit }) => limit.name);
  const names = limits.map((name) => `"${name}"`).join(" and ");
  const retryAfterS = secondsOf(Math.max(...reported.map(({ waitMs }) => waitMs)));
  const headers = { "retry-after": String(retryAfterS) };
  if (limited.length === 0)
    return problem("unavailable", {
      detail: `The limit ${names} cannot be checked at the moment.`,
      headers,
    });
  const detail = `The limit ${names} is exhausted. Try again in ${retryAfterS} s.`;
  return problem("rate_limited", { detail, violatedPolicies: limits, headers });
};

/** The window is the time in which an empty bucket refills, at least one second (§3.1.3). */
const policyItem = ({ limit, rule }: LimitResult): string => {
  const windowS = Math.max(1, Math.ceil(rule.capacity / rule.refillPerSecond));
  return `"${limit.name}";q=${Math.floor(rule.capacity)};w=${windowS}`;
};

/** Seconds until the bucket is full, or, if it has too few tokens for a request, until it has enough. */
const effectiveWindowS = (result: LimitResult, shownRemaining: number): number => {
  const { limit, rule, outcome, waitMs, remaining } = result;
  if (outcome === "limited") return secondsOf(waitMs);
  const target = shownRemaining < costOf(limit) ? costOf(limit) : rule.capacity;
  return Math.max(0, Math.ceil((target - remaining) / rule.refillPerSecond));
};

const limitItem = (result: LimitResult): string => {
  const { limit, rule, remaining } = result;
  const shown = Math.max(0, Math.min(Math.floor(remaining), Math.floor(rule.capacity)));
  return `"${limit.name}";r=${shown};t=${effectiveWindowS(result, shown)}`;
};

/** Fields for the response. Limits in a dry run, and limits that could not be checked, are left out. */
export const rateLimitFields = ({ results }: LimitVerdict): Record<string, string> => {
  const shown = results.filter(
    ({ limit, mode }) => limit.dryRun !== true && mode !== "open" && mode !== "closed",
  );
  if (shown.length === 0) return {};
  return {
    "ratelimit-policy": shown.map(policyItem).join(", "),
    ratelimit: shown.map(limitItem).join(", "),
  };
};

const LOG_EVERY_MS = 10_000;

/**
 * Logs what an isolate's limits reject, or would reject in a dry run: at most one line per limit every ten seconds.
 *
 * @param now epoch milliseconds
 */
export const createLimitLog = (log: Log, now: () => number): ((result: LimitResult) => void) => {
  const startPeriod = () => ({ sinceMs: now(), passed: 0, limited: 0, unavailable: 0, withoutStore: 0 });
  /** By limit name. */
  const periods = new Map<string, ReturnType<typeof startPeriod>>();

  return ({ limit, outcome, mode }) => {
    const period = periods.get(limit.name) ?? startPeriod();
    periods.set(limit.name, period);
    period[outcome] += 1;
    if (mode === "local" || mode === "open" || mode === "closed") period.withoutStore += 1;
    const forMs = now() - period.sinceMs;
    if (forMs < LOG_EVERY_MS) return;
    periods.delete(limit.name);
    const { sinceMs: _, ...counts } = period;
    if (counts.limited + counts.unavailable + counts.withoutStore === 0) return;
    const dryRun = limit.dryRun === true;
    log({ level: "warn", message: "rate limit", limit: limit.name, dryRun, forMs, ...counts });
  };
};
