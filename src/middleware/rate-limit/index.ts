/** Admits as many requests as the route's limits allow: 429 comes from here, and 503 where a limit says so. */
import type { Limit } from "../../contract/policy.ts";
import { type Problem, problem } from "../../contract/problem.ts";
import { type Exchange, type Guard, routed } from "../exchange.ts";
import type { ReportSecurity } from "../security-report.ts";
import { rateLimitFields, rejectionOf } from "./headers.ts";
import type { RateLimiter } from "./limiter.ts";
import type { LimitEvent, LimitResult, LimitVerdict } from "./verdict.ts";

/** What becomes of the contract's limits: they refuse, they are counted and told alone, or there are none. */
export type LimitEnforcement = "enforce" | "dry-run" | "off";

export interface LimitGuardDependencies {
  readonly admit: RateLimiter["check"];
  readonly limitsFor: LimitsFor;
  /** Told of what each limit says. */
  readonly report: (result: LimitResult) => void;
  readonly observe?: ((event: LimitEvent) => void) | undefined;
  readonly reportSecurity: ReportSecurity;
}

const named = (names: readonly string[]): string => names.map((name) => `"${name}"`).join(" and ");

const refusal = (verdict: LimitVerdict): Problem | undefined => {
  const refused = rejectionOf(verdict);
  if (refused === undefined) return undefined;
  const { isUnavailable, limits, retryAfterS } = refused;
  const headers = { "retry-after": String(retryAfterS) };
  return isUnavailable
    ? problem("unavailable", { detail: `The limit ${named(limits)} cannot be checked now.`, headers })
    : problem("rate_limited", {
        detail: `The limit ${named(limits)} is used up. Try again in ${retryAfterS} s.`,
        violatedPolicies: limits,
        headers,
      });
};

/** The limits of an exchange's route, as they are enforced. */
type LimitsFor = (exchange: Exchange) => readonly Limit[];

const NONE: readonly Limit[] = [];

export const limitsAs = (enforcement: LimitEnforcement): LimitsFor => {
  /** By a route's own; as many as there are routes. */
  const tried = new Map<readonly Limit[], readonly Limit[]>();
  return (exchange) => {
    const { limit = NONE } = routed(exchange).entry.route.policy;
    if (enforcement === "enforce") return limit;
    if (enforcement === "off") return NONE;
    const known = tried.get(limit) ?? limit.map((each) => ({ ...each, dryRun: true }));
    tried.set(limit, known);
    return known;
  };
};

/**
 * Asks for what the exchange will need while its key is looked up, on one way. Where nobody knows whose the key is,
 * that is what its address will need.
 */
export const limitsAhead =
  (limitsFor: LimitsFor, prepare: RateLimiter["prefetch"]) =>
  (exchange: Exchange, principal: string | undefined): void => {
    const known = limitsFor(exchange).filter(({ per }) => per === "client" || principal !== undefined);
    prepare(known, { address: exchange.client.name, principal }, exchange.inBackground);
  };

export const limitGuard = ({
  admit,
  limitsFor,
  report,
  observe,
  reportSecurity,
}: LimitGuardDependencies): Guard => {
  /** Takes note of the verdict. */
  const told = (exchange: Exchange, verdict: LimitVerdict): Problem | undefined => {
    exchange.limits = verdict.results;
    exchange.limitHeaders = rateLimitFields(verdict);
    const { name, route } = routed(exchange).entry;
    for (const result of verdict.results) {
      report(result);
      observe?.({ type: "limit", route: name, result });
    }
    const refused = refusal(verdict);
    if (refused?.code === "rate_limited") {
      const endpoint = `${route.method} ${route.path}`;
      reportSecurity(exchange, {
        type: "rate_limit_exceeded",
        endpoint,
        limits: refused.violatedPolicies ?? [],
      });
    }
    return refused;
  };

  return (exchange) => {
    const limits = limitsFor(exchange);
    if (limits.length === 0) return undefined;
    const { client, verdict: who, inBackground } = exchange;
    const principal = who.auth === "none" ? undefined : who.principal.id;
    const verdict = admit(limits, { address: client.name, principal }, inBackground);
    return verdict instanceof Promise
      ? verdict.then((late) => told(exchange, late))
      : told(exchange, verdict);
  };
};
