/** The blocklist in PostgreSQL. Every change raises the snapshot's version in the same statement. */
import { v7 as uuidv7 } from "uuid";
import type { BlocklistEntry } from "../../middleware/blocklist/compile.ts";
import { type Network, parseNetwork, writeCidr } from "../../middleware/blocklist/network.ts";
import { MAX_ENTRIES } from "../../middleware/blocklist/published-blocklist.ts";
import type { Database } from "../db/database.ts";
import { raiseVersion, VERSION } from "../snapshots/version.ts";

export type BlockSource = "operator" | "automatic";

export interface Block {
  readonly id: string;
  /** In its one form, such as `192.0.2.0/24`. */
  readonly network: string;
  readonly reason: string;
  readonly source: BlockSource;
  readonly createdAt: Date;
  /** Null where it is for ever. */
  readonly expiresAt: Date | null;
}

export interface NewBlock {
  readonly network: Network;
  readonly reason: string;
  /** Null for ever. */
  readonly forS: number | null;
}

/** What is blocked by itself never fills the room of what operators block. */
const MAX_AUTOMATIC = MAX_ENTRIES / 4;

const RAISE_VERSION = raiseVersion("blocklist");
const LIVE = "(expires_at IS NULL OR expires_at > now())";
const COLUMNS = `id, network::text AS network, reason, source, created_at AS "createdAt", expires_at AS "expiresAt"`;

/** PostgreSQL writes a single address with the length of its prefix. */
const inOneForm = <Row extends { readonly network: string }>(row: Row): Row => {
  const network = parseNetwork(row.network);
  return network === undefined ? row : { ...row, network: writeCidr(network) };
};

const BLOCK = `
WITH changed AS (
  INSERT INTO blocklist (id, network, reason, source, expires_at)
  SELECT $1, $2::cidr, $3, 'operator', now() + $4::float8 * interval '1 second'
  WHERE (SELECT count(*) FROM blocklist) < $5 OR EXISTS (SELECT FROM blocklist WHERE network = $2::cidr)
  ON CONFLICT (network) DO UPDATE
    SET reason = excluded.reason, source = excluded.source, created_at = now(), expires_at = excluded.expires_at
  RETURNING ${COLUMNS}
), raised AS (${RAISE_VERSION})
SELECT * FROM changed`;

/** Takes the place of an earlier block of the same network. Undefined where there is no room. */
export const setBlock = async (
  database: Database,
  { network, reason, forS }: NewBlock,
): Promise<Block | undefined> => {
  const values = [uuidv7(), writeCidr(network), reason, forS, MAX_ENTRIES];
  const [row] = await database.query<Block>(BLOCK, values);
  return row && inOneForm(row);
};

const BLOCK_OFFENDERS = `
WITH offence AS (
  SELECT * FROM unnest($1::uuid[], $2::cidr[], $3::text[], $4::float8[]) AS o(id, network, reason, for_ms)
), changed AS (
  INSERT INTO blocklist (id, network, reason, source, expires_at)
  SELECT id, network, reason, 'automatic', now() + for_ms * interval '1 millisecond' FROM offence
  WHERE (SELECT count(*) FROM blocklist WHERE source = 'automatic') < $5
  ON CONFLICT (network) DO UPDATE SET expires_at = excluded.expires_at, reason = excluded.reason, created_at = now()
    WHERE blocklist.source = 'automatic' OR blocklist.expires_at < excluded.expires_at
  RETURNING network
), raised AS (${RAISE_VERSION})
SELECT network::text AS network FROM changed`;

export interface OffenderBlock {
  readonly network: Network;
  readonly reason: string;
  readonly forMs: number;
}

/**
 * Blocks for a time. What an operator has blocked for longer stays as it is.
 *
 * @returns how many are blocked by it: fewer where there is no room
 */
export const blockOffenders = async (
  database: Database,
  blocks: readonly OffenderBlock[],
): Promise<number> => {
  const rows = await database.query(BLOCK_OFFENDERS, [
    blocks.map(() => uuidv7()),
    blocks.map(({ network }) => writeCidr(network)),
    blocks.map(({ reason }) => reason),
    blocks.map(({ forMs }) => forMs),
    MAX_AUTOMATIC,
  ]);
  return rows.length;
};

/**
 * By its id, or its network. What was known of offenders in it is forgotten, so that their next offence is their first.
 *
 * @returns undefined where there was none
 */
export const removeBlock = async (
  database: Database,
  which: { readonly id: string } | { readonly network: Network },
): Promise<Block | undefined> => {
  const [condition, value] =
    "id" in which ? ["id = $1::uuid", which.id] : ["network = $1::cidr", writeCidr(which.network)];
  const [row] = await database.query<Block>(
    `WITH changed AS (DELETE FROM blocklist WHERE ${condition} AND ${LIVE} RETURNING ${COLUMNS}),
       forgotten AS (DELETE FROM offenders o USING changed WHERE o.network <<= changed.network::cidr),
       raised AS (${RAISE_VERSION})
     SELECT * FROM changed`,
    [value],
  );
  return row && inOneForm(row);
};

/** @param before only those that are older than the one of this id */
export const listBlocks = async (
  database: Database,
  { before, most }: { readonly before?: string | undefined; readonly most: number },
): Promise<Block[]> => {
  const rows = await database.query<Block>(
    `SELECT ${COLUMNS} FROM blocklist WHERE ${LIVE} AND ($1::uuid IS NULL OR id < $1) ORDER BY id DESC LIMIT $2`,
    [before ?? null, most],
  );
  return rows.map(inOneForm);
};

/** Blocks that hold the whole network and more, the narrowest first. */
export const widerBlocks = async (database: Database, network: Network): Promise<Block[]> => {
  const rows = await database.query<Block>(
    `SELECT ${COLUMNS} FROM blocklist WHERE network >> $1::cidr AND ${LIVE} ORDER BY masklen(network) DESC LIMIT 10`,
    [writeCidr(network)],
  );
  return rows.map(inOneForm);
};

interface SnapshotRow {
  readonly version: string;
  readonly network: string | null;
  readonly expiresAtMs: number | null;
}

/** Every block in force, and the version of that set: one statement, so that they belong together. */
export const blocklistSnapshot = async (
  database: Database,
): Promise<{ version: string; entries: BlocklistEntry[] }> => {
  const rows = await database.query<SnapshotRow>(
    `SELECT ${VERSION} AS version, network::text AS network,
       (extract(epoch FROM expires_at) * 1000)::float8 AS "expiresAtMs"
     FROM published_snapshots s LEFT JOIN blocklist ON ${LIVE} WHERE s.name = 'blocklist'
     ORDER BY blocklist.network LIMIT ${MAX_ENTRIES}`,
  );
  const entries = rows.flatMap(({ network, expiresAtMs }) => {
    const parsed = network === null ? undefined : parseNetwork(network);
    return parsed === undefined ? [] : [{ network: parsed, expiresAtMs }];
  });
  return { version: rows[0]?.version ?? "", entries };
};

/** Removes what has expired. A list that is published still may hold it: it blocks nobody there either. */
export const removeExpiredBlocks = async (database: Database): Promise<void> => {
  await database.query(
    "DELETE FROM blocklist WHERE id IN (SELECT id FROM blocklist WHERE expires_at <= now() LIMIT 5000)",
  );
};
