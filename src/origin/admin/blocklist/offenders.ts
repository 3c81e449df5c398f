/** Scores of offenders in PostgreSQL, shared by all origins. */
import { type Network, parseNetwork, writeCidr } from "../../../middleware/blocklist/network.ts";
import type { Offender } from "../../../security-events/abuse-score.ts";
import type { Database } from "../../db/database.ts";

export interface StoredOffender extends Offender {
  readonly network: Network;
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
SELECT network::text AS network, score, (extract(epoch FROM scored_at) * 1000)::float8 AS "scoredAtMs", blocks,
  (extract(epoch FROM last_blocked_at) * 1000)::float8 AS "lastBlockedAtMs"
FROM offenders WHERE network = ANY($1::cidr[]) ORDER BY network FOR UPDATE`;

/** Inserts the missing ones, and locks all until the transaction ends. */
export const lockOffenders = async (
  transaction: Database,
  networks: readonly Network[],
): Promise<StoredOffender[]> => {
  const cidrs = networks.map(writeCidr);
  await transaction.query(INSERT, [cidrs, MAX_OFFENDERS]);
  const rows = await transaction.query<Offender & { readonly network: string }>(LOCK, [cidrs]);
  return rows.flatMap(({ network: cidr, ...offender }) => {
    const network = parseNetwork(cidr);
    return network === undefined ? [] : [{ ...offender, network }];
  });
};

const UPDATE = `
UPDATE offenders o SET score = n.score, scored_at = to_timestamp(n."scoredAtMs" / 1000), blocks = n.blocks,
  last_blocked_at = to_timestamp(n."lastBlockedAtMs" / 1000)
FROM json_to_recordset($1) AS n(network cidr, score float8, "scoredAtMs" float8, blocks int, "lastBlockedAtMs" float8)
WHERE o.network = n.network`;

export const updateOffenders = async (
  transaction: Database,
  offenders: readonly StoredOffender[],
): Promise<void> => {
  const rows = offenders.map(({ network, ...offender }) => ({ ...offender, network: writeCidr(network) }));
  await transaction.query(UPDATE, [JSON.stringify(rows)]);
};
