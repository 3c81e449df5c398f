/** The guards, in the order in which a request meets them: the same at the edge and at an origin that stands alone. */
import type { EdgeRoute } from "../contract/edge-manifest.ts";
import { authenticationGuard } from "./auth/index.ts";
import type { CheckCredentials } from "./auth/result.ts";
import { blocklistGuard } from "./blocklist/index.ts";
import type { GetBlocklist } from "./blocklist/snapshot.ts";
import { type BodyGuardDependencies, bodyGuard } from "./body-limit/index.ts";
import type { Exchange, GuardResult, NamedGuard } from "./exchange.ts";
import { type LimitGuardDependencies, limitGuard } from "./rate-limit/index.ts";
import { routeGuard } from "./route-policy/index.ts";
import type { RouteTable } from "./route-policy/route-table.ts";
import { screeningGuard } from "./screening/index.ts";
import type { ReportSecurity } from "./security-report.ts";

export interface ChainDependencies {
  readonly table: RouteTable<EdgeRoute>;
  /** @default nobody is blocked */
  readonly blocklist?: GetBlocklist | undefined;
  readonly keys: CheckCredentials;
  /** @default no token is taken */
  readonly tokens?: CheckCredentials | undefined;
  readonly limits: Omit<LimitGuardDependencies, "reportSecurity">;
  readonly body: BodyGuardDependencies;
  /** Epoch milliseconds. */
  readonly now: () => number;
  readonly reportSecurity: ReportSecurity;
}

export const guardChain = ({
  table,
  blocklist,
  keys,
  tokens,
  limits,
  body,
  now,
  reportSecurity,
}: ChainDependencies): readonly NamedGuard[] => [
  ...(blocklist === undefined
    ? []
    : [{ name: "blocklist" as const, pass: blocklistGuard({ held: blocklist, now, reportSecurity }) }]),
  { name: "screening", pass: screeningGuard(table, reportSecurity) },
  { name: "route", pass: routeGuard(table, now) },
  { name: "authentication", pass: authenticationGuard({ keys, tokens, reportSecurity }) },
  { name: "limit", pass: limitGuard({ ...limits, reportSecurity }) },
  { name: "body", pass: bodyGuard(body) },
];

/** What the first guard says that answers or refuses; undefined where all let the request go on. */
export const passGuards = async (guards: readonly NamedGuard[], exchange: Exchange): Promise<GuardResult> => {
  for (const { name, pass } of guards) {
    // A guard that decides at once costs no turn of the event loop.
    const pending = pass(exchange);
    const result = pending instanceof Promise ? await pending : pending;
    if (result === undefined) continue;
    exchange.stoppedBy = name;
    return result;
  }
  return undefined;
};
