/**
 * Blocks repeat offenders temporarily, by a score of the security events that edges report. All origins share
 * the scores in PostgreSQL.
 */
import type { Meter } from "@opentelemetry/api";
import { type Network, overlap, writeCidr } from "../../../middleware/blocklist/network.ts";
import {
  judgeOffenses,
  MEMORY_MS,
  type Offender,
  offenderOf,
  pointsOf,
} from "../../../security-events/abuse-score.ts";
import type { SecurityEvent } from "../../../security-events/event.ts";
import type { Database } from "../../db/database.ts";
import type { OriginLog } from "../../log/log.ts";
import { blockOffenders, type OffenderBlock } from "./store.ts";

interface AutoBlockDependencies {
  readonly database: Database;
  readonly neverBlocked: readonly Network[];
  readonly meter: Meter;
  readonly log: OriginLog;
  /** Epoch milliseconds. */
  readonly now: () => number;
}

interface StoredOffender extends Offender {
  /** In CIDR notation. */
  readonly network: string;
}

/** Once the table holds this many rows, new offenders are ignored. */
const MAX_OFFENDERS = 100_000;

/** Rows are inserted first, so that two origins that score the same offender wait for each other. */
const INSERT = `
INSERT INTO offenders (network)
SELECT n FROM unnest($1::cidr[]) AS n
WHERE (SELECT reltuples FROM pg_class WHERE oid = 'offenders'::regclass) < $2
ORDER BY n ON CONFLICT DO NOTHING`;

const LOCK = `
SELECT network::inet AS network, score, (extract(epoch FROM scored_at) * 1000)::float8 AS "scoredAtMs", blocks,
  (extract(epoch FROM last_blocked_at) * 1000)::float8 AS "lastBlockedAtMs"
FROM offenders WHERE network = ANY($1::cidr[]) ORDER BY network FOR UPDATE`;

/** Inserts missing offenders, and locks all of them until the transaction ends. */
const lockOffenders = async (
  transaction: Database,
  networks: readonly string[],
): Promise<StoredOffender[]> => {
  await transaction.query(INSERT, [networks, MAX_OFFENDERS]);
  return await transaction.query<StoredOffender>(LOCK, [networks]);
};

const UPDATE = `
UPDATE offenders o SET score = n.score, scored_at = to_timestamp(n."scoredAtMs" / 1000), blocks = n.blocks,
  last_blocked_at = to_timestamp(n."lastBlockedAtMs" / 1000)
FROM json_to_recordset($1) AS n(network cidr, score float8, "scoredAtMs" float8, blocks int, "lastBlockedAtMs" float8)
WHERE o.network = n.network`;

interface Offense {
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

/** Offenses by network in CIDR notation, without events of no points and exempt networks. */
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
    const offense = offenses.get(cidr) ?? { points: 0, counts: new Map<string, number>() };
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
    const offense = offenses.get(network);
    if (offense === undefined) continue;
    const { offender, blockForMs } = judgeOffenses(before, offense.points, nowMs);
    offenders.push({ ...offender, network });
    if (blockForMs !== undefined) blocks.push({ network, reason: reasonOf(offense), forMs: blockForMs });
  }
  return { offenders, blocks };
};

/** For `onOffenses`. If the database fails, it rejects, and these offenses do not count. */
export const createAutoBlock = ({ database, neverBlocked, meter, log, now }: AutoBlockDependencies) => {
  const blocked = meter.createCounter("blocked_offenders", {
    description: "Clients blocked automatically for repeated abuse",
  });
  blocked.add(0);

  return async (events: readonly SecurityEvent[]): Promise<void> => {
    const offenses = offensesIn(events, neverBlocked);
    if (offenses.size === 0) return;
    const { blocks, count } = await database.transaction(async (transaction) => {
      const stored = await lockOffenders(transaction, [...offenses.keys()]);
      const judged = judge(stored, offenses, now());
      await transaction.query(UPDATE, [JSON.stringify(judged.offenders)]);
      const { length } = judged.blocks;
      return { ...judged, count: length === 0 ? 0 : await blockOffenders(transaction, judged.blocks) };
    });
    if (blocks.length === 0) return;
    blocked.add(count);
    for (const { network, reason, forMs } of blocks)
      log.warn({ network, reason, forMs }, "blocked a client temporarily");
    if (count < blocks.length)
      log.warn({ blocks: blocks.length, count }, "the blocklist has no room for some blocks");
  };
};

/** Raises no version: expired blocks may stay in the published list without effect. */
const REMOVE_BLOCKS =
  "DELETE FROM blocklist WHERE id IN (SELECT id FROM blocklist WHERE expires_at <= now() LIMIT 5000)";

/** Longer than any score lasts without a further offense. */
const SCORE_LIFETIME = "10 minutes";

const REMOVE_OFFENDERS = `DELETE FROM offenders WHERE network IN (
  SELECT network FROM offenders WHERE scored_at < now() - interval '${SCORE_LIFETIME}'
    AND (last_blocked_at IS NULL OR last_blocked_at < now() - 2 * $1::float8 * interval '1 millisecond')
  ORDER BY scored_at LIMIT 20000)`;

/** A job for `startJob`: a failure is logged, and the next run catches up. */
export const cleanBlocklist = async (database: Database, log: OriginLog): Promise<void> => {
  try {
    await database.query(REMOVE_BLOCKS);
    await database.query(REMOVE_OFFENDERS, [MEMORY_MS]);
  } catch (error) {
    log.warn({ err: error }, "blocklist cleanup failed");
  }
};
