/** Refuses clients that are on the blocklist: 403 `blocked` comes from here. Whose address is not known is on none. */
import { problem } from "../../contract/problem.ts";
import { BLOCKED_RULE } from "../../security-events/abuse-score.ts";
import type { Exchange, Guard, GuardResult } from "../exchange.ts";
import type { ReportSecurity } from "../security-report.ts";
import type { Blocked, Blocklist } from "./blocklist.ts";
import type { GetBlocklist } from "./snapshot.ts";

export interface BlocklistGuardDependencies {
  readonly held: GetBlocklist;
  /** Epoch milliseconds. */
  readonly now: () => number;
  readonly reportSecurity: ReportSecurity;
}

const refusal = ({ expiresAtMs }: Blocked, nowMs: number): GuardResult =>
  expiresAtMs === null
    ? problem("blocked")
    : problem("blocked", {
        headers: { "retry-after": String(Math.max(1, Math.ceil((expiresAtMs - nowMs) / 1_000))) },
      });

export const blocklistGuard = ({ held, now, reportSecurity }: BlocklistGuardDependencies): Guard => {
  const judge = (exchange: Exchange, list: Blocklist | undefined): GuardResult => {
    const { address } = exchange.client;
    const nowMs = now();
    const blocked = address && list?.match(address, nowMs);
    if (blocked === undefined) return undefined;
    reportSecurity(exchange, {
      type: "suspicious_activity",
      rule: BLOCKED_RULE,
      details: `${BLOCKED_RULE}: ${blocked.network}`,
    });
    return refusal(blocked, nowMs);
  };

  return (exchange) => {
    const list = held(exchange);
    return list instanceof Promise ? list.then((late) => judge(exchange, late)) : judge(exchange, list);
  };
};
