/** Rejects blocked clients with 403. A client whose address is unknown is on no list. */
import { createMiddleware } from "hono/factory";
import { problem } from "../../contract/problem.ts";
import { BLOCKED_RULE } from "../../security-events/abuse-score.ts";
import type { ContextVariables } from "../context/index.ts";
import type { Middleware } from "../pipeline.ts";
import { type RejectionVariables, reject } from "../problems/index.ts";
import type { ReportSecurity } from "../security-report.ts";
import type { Blocked } from "./blocklist.ts";
import type { BlocklistSnapshot } from "./snapshot.ts";

export interface BlocklistDeps {
  readonly snapshot: BlocklistSnapshot;
  readonly report: ReportSecurity;
  /** Epoch milliseconds. */
  readonly now: () => number;
}

const blockedProblem = ({ expiresAtMs }: Blocked, nowMs: number) =>
  expiresAtMs === null
    ? problem("blocked")
    : problem("blocked", {
        headers: { "retry-after": String(Math.max(1, Math.ceil((expiresAtMs - nowMs) / 1_000))) },
      });

/** hono/ip-restriction scans a fixed list on every request; this one holds 100,000 networks at no measurable cost. */
export const blocklist = (deps: BlocklistDeps): Middleware<ContextVariables, RejectionVariables> =>
  createMiddleware<{ Variables: ContextVariables & RejectionVariables }>(async function blocklist(c, next) {
    const copy = deps.snapshot(c);
    const list = copy instanceof Promise ? await copy : copy;
    const { address } = c.get("client");
    const nowMs = deps.now();
    const blocked = address && list?.match(address, nowMs);
    if (blocked === undefined) return await next();
    const details = `${BLOCKED_RULE}: ${blocked.network}`;
    deps.report(c, null, { type: "suspicious_activity", rule: BLOCKED_RULE, details });
    return reject(c, "blocklist", blockedProblem(blocked, nowMs));
  });
