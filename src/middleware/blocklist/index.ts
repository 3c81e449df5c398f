/**
 * Rejects blocked clients with 403. A client without a valid address is never blocked. An automatic block is one of a whole
 * address, so it does not reject requests with valid credentials, nor preflights, which never have any.
 */
import type { Context, Next } from "hono";
import { createMiddleware } from "hono/factory";
import { problem } from "../../contract/problem.ts";
import { BLOCKED_RULE } from "../../security-events/abuse-score.ts";
import type { ContextVariables } from "../context/index.ts";
import { isPreflight } from "../cors/preflight.ts";
import type { Middleware } from "../pipeline.ts";
import { type RejectionVariables, reject } from "../problems/index.ts";
import type { ReportSecurity } from "../security-report.ts";
import { type AuthenticatedDeps, isAuthenticated } from "./authenticated.ts";
import type { Blocked, Blocklist } from "./blocklist.ts";
import type { BlocklistSnapshot } from "./snapshot.ts";

export interface BlocklistDeps extends AuthenticatedDeps {
  readonly snapshot: BlocklistSnapshot;
  readonly report: ReportSecurity;
}

type Variables = ContextVariables & RejectionVariables;
type BlockedContext = Context<{ Variables: Variables }>;

/** hono/ip-restriction scans its list; here, 100,000 networks cost a request nothing measurable. */
export const blocklist = (deps: BlocklistDeps): Middleware<ContextVariables, RejectionVariables> => {
  const rejectBlocked = async (c: BlockedContext, next: Next, blocked: Blocked, nowMs: number) => {
    if (blocked.isAutomatic && (isPreflight(c.req.raw) || (await isAuthenticated(c, deps))))
      return await next();
    const details = `${BLOCKED_RULE}: ${blocked.network}`;
    deps.report(c, null, { type: "suspicious_activity", rule: BLOCKED_RULE, details });
    const { expiresAtMs } = blocked;
    if (expiresAtMs === null) return reject(c, "blocklist", problem("blocked"));
    const retryAfterS = Math.max(1, Math.ceil((expiresAtMs - nowMs) / 1_000));
    return reject(c, "blocklist", problem("blocked", { headers: { "retry-after": String(retryAfterS) } }));
  };

  const check = (c: BlockedContext, next: Next, list: Blocklist | undefined) => {
    const { address } = c.get("client");
    const nowMs = deps.now();
    const blocked = address && list?.match(address, nowMs);
    return blocked === undefined ? next() : rejectBlocked(c, next, blocked, nowMs);
  };

  return createMiddleware<{ Variables: Variables }>(function blocklist(c, next) {
    const snapshot = deps.snapshot(c);
    return snapshot instanceof Promise
      ? snapshot.then((list) => check(c, next, list))
      : check(c, next, snapshot);
  });
};
