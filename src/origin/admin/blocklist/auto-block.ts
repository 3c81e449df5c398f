/** Blocks repeat offenders temporarily, by the score of the security events that edges report. */
import { Counter, type Registry } from "prom-client";
import { type Network, overlap, writeCidr } from "../../../middleware/blocklist/network.ts";
import { judgeOffenses, offenderOf, pointsOf } from "../../../security-events/abuse-score.ts";
import type { SecurityEvent } from "../../../security-events/event.ts";
import type { Database } from "../../db/database.ts";
import type { OriginLog } from "../../log/log.ts";
import { lockOffenders, type StoredOffender, updateOffenders } from "./offenders.ts";
import { blockOffenders, type OffenderBlock } from "./store.ts";

export interface AutoBlockDependencies {
  readonly database: Database;
  readonly neverBlocked: readonly Network[];
  readonly registry: Registry;
  readonly log: OriginLog;
  /** Epoch milliseconds. */
  readonly now: () => number;
}

interface Offense {
  readonly network: Network;
  points: number;
  /** Occurrences of each kind of event. */
  readonly counts: Map<string, number>;
}

const MAX_REASON_LENGTH = 200;

const kindOf = (event: SecurityEvent): string => {
  switch (event.type) {
    case "auth_failure":
      return event.reason;
    case "suspicious_activity":
      return event.rule;
    default:
      return event.type;
  }
};

/** Offenses by CIDR, without events that score nothing and networks that are never blocked. */
const offensesIn = (
  events: readonly SecurityEvent[],
  neverBlocked: readonly Network[],
): ReadonlyMap<string, Offense> => {
  const offenses = new Map<string, Offense>();
  for (const event of events) {
    const points = pointsOf(event);
    const network = points > 0 ? offenderOf(event.client) : undefined;
    if (network === undefined || neverBlocked.some((exempt) => overlap(exempt, network))) continue;
    const cidr = writeCidr(network);
    const offense = offenses.get(cidr) ?? { network, points: 0, counts: new Map<string, number>() };
    offenses.set(cidr, offense);
    offense.points += points;
    const kind = kindOf(event);
    offense.counts.set(kind, (offense.counts.get(kind) ?? 0) + event.count);
  }
  return offenses;
};

const reasonOf = ({ counts }: Offense): string => {
  const parts = [...counts].sort(([, a], [, b]) => b - a).map(([kind, count]) => `${kind} ${count}`);
  return `repeated abuse, most recently: ${parts.join(", ")}`.slice(0, MAX_REASON_LENGTH).toWellFormed();
};

const judge = (
  stored: readonly StoredOffender[],
  offenses: ReadonlyMap<string, Offense>,
  nowMs: number,
): { offenders: StoredOffender[]; blocks: OffenderBlock[] } => {
  const offenders: StoredOffender[] = [];
  const blocks: OffenderBlock[] = [];
  for (const before of stored) {
    const { network } = before;
    const offense = offenses.get(writeCidr(network));
    if (offense === undefined) continue;
    const { offender, blockForMs } = judgeOffenses(before, offense.points, nowMs);
    offenders.push({ ...offender, network });
    if (blockForMs !== undefined) blocks.push({ network, reason: reasonOf(offense), forMs: blockForMs });
  }
  return { offenders, blocks };
};

/** For `onOffenses`. If the database fails, it rejects, and these offenses do not count. */
export const createAutoBlock = ({ database, neverBlocked, registry, log, now }: AutoBlockDependencies) => {
  const blocked = new Counter({
    name: "blocked_offenders_total",
    help: "Clients blocked automatically for repeated abuse",
    registers: [registry],
  });

  return async (events: readonly SecurityEvent[]): Promise<void> => {
    const offenses = offensesIn(events, neverBlocked);
    if (offenses.size === 0) return;
    const networks = [...offenses.values()].map(({ network }) => network);
    const { blocks, count } = await database.transaction(async (transaction) => {
      const judged = judge(await lockOffenders(transaction, networks), offenses, now());
      await updateOffenders(transaction, judged.offenders);
      const { length } = judged.blocks;
      return { ...judged, count: length === 0 ? 0 : await blockOffenders(transaction, judged.blocks) };
    });
    if (blocks.length === 0) return;
    blocked.inc(count);
    for (const { network, reason, forMs } of blocks)
      log.warn({ network: writeCidr(network), reason, forMs }, "blocked a client temporarily");
    if (count < blocks.length)
      log.warn({ blocks: blocks.length, count }, "the blocklist has no room for some blocks");
  };
};
