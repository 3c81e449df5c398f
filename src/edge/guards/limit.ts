/** Admits as many requests as the route's limits allow: 429 comes from here, and 503 where a limit says so. */
import type { Limit } from "../../contract/policy.ts";
import { type Problem, problem } from "../../contract/problem.ts";
import type { Admit } from "../../core/limiter/admit.ts";
import { rateLimitFields, refusalOf } from "../../core/limiter/fields.ts";
import type { LimitResult, LimitVerdict } from "../../core/limiter/verdict.ts";
import { type Exchange, type Guard, routed } from "../exchange.ts";
import type { LimitEvent } from "../limit-events.ts";

/** What becomes of the contract's limits: they refuse, they are counted and told alone, or there are none. */
export type LimitEnforcement = "enforce" | "dry-run" | "off";

export interface LimitGuardDependencies {
  readonly admit: Admit;
  readonly enforcement: LimitEnforcement;
  /** Told of what each limit says. */
  readonly report: (result: LimitResult) => void;
  readonly observe?: ((event: LimitEvent) => void) | undefined;
}

const named = (names: readonly string[]): string => names.map((name) => `"${name}"`).join(" and ");

const refusal = (verdict: LimitVerdict): Problem | undefined => {
  const refused = refusalOf(verdict);
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

export const limitGuard = ({ admit, enforcement, report, observe }: LimitGuardDependencies): Guard => {
  /** A route's limits as they are enforced; as many as there are routes. */
  const enforced = new Map<readonly Limit[], readonly Limit[]>();
  const limitsFor = (limits: readonly Limit[]): readonly Limit[] => {
    if (enforcement === "enforce") return limits;
    const known = enforced.get(limits) ?? limits.map((limit) => ({ ...limit, dryRun: true }));
    enforced.set(limits, known);
    return known;
  };

  /** Takes note of the verdict. */
  const told = (exchange: Exchange, verdict: LimitVerdict): Problem | undefined => {
    exchange.limits = verdict.results;
    exchange.limitHeaders = rateLimitFields(verdict);
    const route = routed(exchange).entry.name;
    for (const result of verdict.results) {
      report(result);
      observe?.({ type: "limit", route, result });
    }
    return refusal(verdict);
  };

  return (exchange) => {
    const { limit = [] } = routed(exchange).entry.route.policy;
    if (limit.length === 0 || enforcement === "off") return undefined;
    const { clientAddress: address, verdict: who, inBackground } = exchange;
    const principal = who.auth === "none" ? undefined : who.principal.id;
    const verdict = admit(limitsFor(limit), { address, principal }, inBackground);
    return verdict instanceof Promise
      ? verdict.then((late) => told(exchange, late))
      : told(exchange, verdict);
  };
};
