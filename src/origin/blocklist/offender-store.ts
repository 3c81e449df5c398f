/** What is known of offenders, in PostgreSQL: all origins score for all edges. */
import { type Network, parseNetwork, writeCidr } from "../../middleware/blocklist/network.ts";
import { MEMORY_MS, type Offender } from "../../security-events/abuse-score.ts";
import type { Database } from "../db/database.ts";

export interface KnownOffender extends Offender {
  readonly network: Network;
}

/** With more of them only those that are known already score. */
const MAX_OFFENDERS = 100_000;

/** Rows come into being first, so that two origins that score the same one wait for each other. */
const MAKE = `
INSERT INTO offenders (network)
SELECT n FROM unnest($1::cidr[]) AS n
WHERE (SELECT reltuples FROM pg_class WHERE oid = 'offenders'::regclass) < $2
ORDER BY n ON CONFLICT DO NOTHING`;

interface OffenderRow {
  readonly network: string;
  readonly score: number;
  readonly scoredAtMs: number;
  readonly blocks: number;
  readonly lastBlockedAtMs: number | null;
}

const READ = `
SELECT network::text AS network, score, (extract(epoch FROM scored_at) * 1000)::float8 AS "scoredAtMs", blocks,
  (extract(epoch FROM last_blocked_at) * 1000)::float8 AS "lastBlockedAtMs"
FROM offenders WHERE network = ANY($1::cidr[]) ORDER BY network FOR UPDATE`;

/** Locks them until the transaction ends. */
export const lockOffenders = async (
  transaction: Database,
  networks: readonly Network[],
): Promise<KnownOffender[]> => {
  const names = networks.map(writeCidr);
  await transaction.query(MAKE, [names, MAX_OFFENDERS]);
  const rows = await transaction.query<OffenderRow>(READ, [names]);
  return rows.flatMap(({ network: text, ...offender }) => {
    const network = parseNetwork(text);
    return network === undefined ? [] : [{ ...offender, network }];
  });
};

export const writeOffenders = async (
  transaction: Database,
  offenders: readonly KnownOffender[],
): Promise<void> => {
  await transaction.query(
    `UPDATE offenders o SET score = n.score, scored_at = to_timestamp(n.scored_at / 1000), blocks = n.blocks,
       last_blocked_at = to_timestamp(n.last_blocked_at / 1000)
     FROM unnest($1::cidr[], $2::float8[], $3::float8[], $4::int[], $5::float8[])
       AS n(network, score, scored_at, blocks, last_blocked_at)
     WHERE o.network = n.network`,
    [
      offenders.map(({ network }) => writeCidr(network)),
      offenders.map(({ score }) => score),
      offenders.map(({ scoredAtMs }) => scoredAtMs),
      offenders.map(({ blocks }) => blocks),
      offenders.map(({ lastBlockedAtMs }) => lastBlockedAtMs),
    ],
  );
};

/** Longer than any score lasts without a further offence. */
const SCORE_LIFETIME = "10 minutes";

/** Removes those of whom nothing would be known any more. */
export const removeForgottenOffenders = async (database: Database): Promise<void> => {
  await database.query(
    `DELETE FROM offenders WHERE network IN (
       SELECT network FROM offenders WHERE scored_at < now() - interval '${SCORE_LIFETIME}'
         AND (last_blocked_at IS NULL OR last_blocked_at < now() - 2 * $1::float8 * interval '1 millisecond')
       ORDER BY scored_at LIMIT 20000)`,
    [MEMORY_MS],
  );
};
