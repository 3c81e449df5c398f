/** Blocks clients that offend again and again, for a time: by what edges report of them. */
import { Counter, type Registry } from "prom-client";
import { type Network, overlap, writeCidr } from "../../middleware/blocklist/network.ts";
import { judgeOffences, offenderOf, pointsOf } from "../../security-events/abuse-score.ts";
import type { SecurityEvent } from "../../security-events/event.ts";
import type { Database } from "../db/database.ts";
import type { OriginLog } from "../log.ts";
import { blockOffenders, type OffenderBlock } from "./block-store.ts";
import { type KnownOffender, lockOffenders, writeOffenders } from "./offender-store.ts";

export interface AutoBlockDependencies {
  readonly database: Database;
  readonly neverBlocked: readonly Network[];
  readonly registry: Registry;
  readonly log: OriginLog;
  /** Epoch milliseconds. */
  readonly now: () => number;
}

interface Offence {
  readonly network: Network;
  points: number;
  /** What it consists of, and how often that was. */
  readonly kinds: Map<string, number>;
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

/** By network, those alone that score. */
const offencesOf = (events: readonly SecurityEvent[]): Map<string, Offence> => {
  const offences = new Map<string, Offence>();
  for (const event of events) {
    const points = pointsOf(event);
    const network = points > 0 ? offenderOf(event.client) : undefined;
    if (network === undefined) continue;
    const name = writeCidr(network);
    const offence = offences.get(name) ?? { network, points: 0, kinds: new Map<string, number>() };
    offences.set(name, offence);
    offence.points += points;
    offence.kinds.set(kindOf(event), (offence.kinds.get(kindOf(event)) ?? 0) + event.count);
  }
  return offences;
};

const reasonOf = ({ kinds }: Offence): string => {
  const counted = [...kinds].sort(([, a], [, b]) => b - a).map(([kind, count]) => `${kind} ${count}`);
  return `offended again and again, at last: ${counted.join(", ")}`.slice(0, MAX_REASON_LENGTH);
};

/** For `onOffences`. It rejects where the database does: those offences are forgotten then, the events are not. */
export const createAutoBlock = (dependencies: AutoBlockDependencies) => {
  const { database, neverBlocked, registry, log, now } = dependencies;
  const blocked = new Counter({
    name: "blocked_offenders_total",
    help: "Clients that were blocked for what they did again and again",
    registers: [registry],
  });

  const judge = (
    known: readonly KnownOffender[],
    offences: ReadonlyMap<string, Offence>,
  ): { offenders: KnownOffender[]; blocks: OffenderBlock[] } => {
    const nowMs = now();
    const offenders: KnownOffender[] = [];
    const blocks: OffenderBlock[] = [];
    for (const each of known) {
      const offence = offences.get(writeCidr(each.network));
      if (offence === undefined) continue;
      const { offender, blockForMs } = judgeOffences(each, offence.points, nowMs);
      offenders.push({ ...offender, network: each.network });
      if (blockForMs !== undefined)
        blocks.push({ network: each.network, reason: reasonOf(offence), forMs: blockForMs });
    }
    return { offenders, blocks };
  };

  const isSpared = (network: Network): boolean => neverBlocked.some((spared) => overlap(spared, network));

  return async (events: readonly SecurityEvent[]): Promise<void> => {
    const offences = offencesOf(events);
    const networks = [...offences.values()].map(({ network }) => network).filter((each) => !isSpared(each));
    if (networks.length === 0) return;
    const { blocks, count } = await database.transaction(async (transaction) => {
      const judged = judge(await lockOffenders(transaction, networks), offences);
      await writeOffenders(transaction, judged.offenders);
      const { length } = judged.blocks;
      return { ...judged, count: length === 0 ? 0 : await blockOffenders(transaction, judged.blocks) };
    });
    if (blocks.length === 0) return;
    blocked.inc(count);
    for (const { network, reason, forMs } of blocks)
      log.warn({ network: writeCidr(network), reason, forMs }, "blocked a client for a time");
    if (count < blocks.length)
      log.warn({ blocks: blocks.length, count }, "the blocklist has no room for some blocks");
  };
};
