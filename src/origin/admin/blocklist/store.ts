/** The blocklist: storage, publication to Redis, and a response for an edge that cannot reach Redis. */
import { v7 as uuidv7 } from "uuid";
import { internalHeaders } from "../../../contract/internal-headers.ts";
import { type BlocklistEntry, compileBlocklist } from "../../../middleware/blocklist/blocklist.ts";
import {
  isTooWide,
  type Network,
  parseNetwork,
  SHORTEST_PREFIX,
  writeCidr,
} from "../../../middleware/blocklist/network.ts";
import { MAX_ENTRIES, publishedBlocklistName, writeParts } from "../../../middleware/blocklist/snapshot.ts";
import type { Database } from "../../db/database.ts";
import { type Publication, readSnapshot, readVersion, withNewVersion } from "../publish.ts";

export interface Block {
  readonly id: string;
  /** In canonical form, such as `192.0.2.0/24`. */
  readonly network: string;
  readonly reason: string;
  readonly source: "operator" | "automatic";
  readonly createdAt: Date;
  /** Null: never. */
  readonly expiresAt: Date | null;
}

export interface OffenderBlock {
  /** In CIDR notation. */
  readonly network: string;
  readonly reason: string;
  readonly forMs: number;
}

/** Leaves room for the blocks of operators. */
const MAX_AUTOMATIC = MAX_ENTRIES / 4;

const LIVE = "(expires_at IS NULL OR expires_at > now())";
/** As inet, PostgreSQL writes a single address without its prefix length. */
const COLUMNS = `id, network::inet AS network, reason, source, created_at AS "createdAt", expires_at AS "expiresAt"`;

/** Validates a network to block. @returns the network, or an error message */
export const parseNetworkToBlock = (text: string): Network | string => {
  const network = parseNetwork(text);
  if (network === undefined)
    return "Must be an address such as 192.0.2.7, or a range such as 192.0.2.0/24 or 2001:db8::/32";
  if (isTooWide(network))
    return `Must be no wider than /${SHORTEST_PREFIX[4]} (IPv4) or /${SHORTEST_PREFIX[6]} (IPv6)`;
  return network;
};

const SET = `INSERT INTO blocklist (id, network, reason, source, expires_at)
  SELECT $1, $2::cidr, $3, 'operator', now() + $4::float8 * interval '1 second'
  WHERE (SELECT count(*) FROM blocklist) < $5 OR EXISTS (SELECT FROM blocklist WHERE network = $2::cidr)
  ON CONFLICT (network) DO UPDATE
    SET reason = excluded.reason, source = excluded.source, created_at = now(), expires_at = excluded.expires_at
  RETURNING ${COLUMNS}`;

/**
 * Blocks for an operator; replaces an existing block of the same network.
 *
 * @param forS seconds; null: forever
 * @returns undefined if the blocklist is full
 */
export const setBlock = async (
  database: Database,
  { network, reason, forS }: { network: Network; reason: string; forS: number | null },
): Promise<Block | undefined> => {
  const values = [uuidv7(), writeCidr(network), reason, forS, MAX_ENTRIES];
  const [row] = await database.query<Block>(withNewVersion("blocklist", SET), values);
  return row;
};

const BLOCK_OFFENDERS = `INSERT INTO blocklist (id, network, reason, source, expires_at)
  SELECT id, network, reason, 'automatic', now() + "forMs" * interval '1 millisecond'
  FROM json_to_recordset($1) AS o(id uuid, network cidr, reason text, "forMs" float8)
  WHERE (SELECT count(*) FROM blocklist WHERE source = 'automatic') < ${MAX_AUTOMATIC}
  ON CONFLICT (network) DO UPDATE SET expires_at = excluded.expires_at, reason = excluded.reason, created_at = now()
    WHERE blocklist.source = 'automatic' OR blocklist.expires_at < excluded.expires_at
  RETURNING id`;

/**
 * Blocks automatically. A longer block by an operator stays as it is.
 *
 * @returns the number of blocks, lower if there is no room for all
 */
export const blockOffenders = async (
  database: Database,
  blocks: readonly OffenderBlock[],
): Promise<number> => {
  const rows = blocks.map((block) => ({ ...block, id: uuidv7() }));
  const statement = withNewVersion("blocklist", BLOCK_OFFENDERS);
  return (await database.query(statement, [JSON.stringify(rows)])).length;
};

const FORGET_OFFENDERS =
  ", forgotten AS (DELETE FROM offenders o USING changed WHERE o.network <<= changed.network::cidr)";

/**
 * Removes a block, and the scores of the offenders in it: their next offense counts as the first.
 *
 * @returns undefined if there is no such block
 */
export const removeBlock = async (
  database: Database,
  block: { readonly id: string } | { readonly network: Network },
): Promise<Block | undefined> => {
  const [condition, value] =
    "id" in block ? ["id = $1::uuid", block.id] : ["network = $1::cidr", writeCidr(block.network)];
  const remove = `DELETE FROM blocklist WHERE ${condition} AND ${LIVE} RETURNING ${COLUMNS}`;
  const [row] = await database.query<Block>(withNewVersion("blocklist", remove, FORGET_OFFENDERS), [value]);
  return row;
};

/** @param before the id of a block: only older ones are listed */
export const listBlocks = async (
  database: Database,
  { before, most }: { readonly before?: string | undefined; readonly most: number },
): Promise<Block[]> => {
  const list = `SELECT ${COLUMNS} FROM blocklist
    WHERE ${LIVE} AND ($1::uuid IS NULL OR id < $1) ORDER BY id DESC LIMIT $2`;
  return await database.query<Block>(list, [before ?? null, most]);
};

/** @returns the narrowest block that covers more than the network, if any */
export const findWiderBlock = async (database: Database, network: Network): Promise<Block | undefined> => {
  const [row] = await database.query<Block>(
    `SELECT ${COLUMNS} FROM blocklist WHERE network >> $1::cidr AND ${LIVE} ORDER BY masklen(network) DESC LIMIT 1`,
    [writeCidr(network)],
  );
  return row;
};

interface CompiledBlocklist {
  readonly version: string;
  readonly bytes: Uint8Array<ArrayBuffer>;
}

/** Every block in force. */
const PUBLISHED = `SELECT network::text AS network, (extract(epoch FROM expires_at) * 1000)::float8 AS "expiresAtMs",
    source = 'automatic' AS "isAutomatic"
  FROM blocklist WHERE ${LIVE} ORDER BY blocklist.network LIMIT ${MAX_ENTRIES}`;

const readCompiledBlocklist = async (database: Database): Promise<CompiledBlocklist> => {
  type Row = Omit<BlocklistEntry, "network"> & { readonly network: string };
  const { version, rows } = await readSnapshot<Row>(database, "blocklist", PUBLISHED);
  const entries = rows.flatMap(({ network: cidr, ...block }) => {
    const network = parseNetwork(cidr);
    return network === undefined ? [] : [{ ...block, network }];
  });
  return { version, bytes: compileBlocklist(entries) };
};

/** While no origin can reach Redis, the published list may lack a block: the edge asks an origin once it expires. */
const TTL_MS = 5_000;

export const blocklistPublication: Publication = {
  name: "blocklist",
  title: "blocked networks",
  hashName: publishedBlocklistName,
  ttlMs: TTL_MS,
  lockKey: 7_203_421,
  read: async (database) => {
    const { version, bytes } = await readCompiledBlocklist(database);
    return { version, fields: writeParts(bytes) };
  },
};

/** Reads the blocklist and compiles each version once. */
export const compiledBlocklist = (): ((database: Database) => Promise<CompiledBlocklist>) => {
  let last: CompiledBlocklist | undefined;
  return async (database) => {
    if (last !== undefined && last.version === (await readVersion(database, "blocklist"))) return last;
    last = await readCompiledBlocklist(database);
    return last;
  };
};

/**
 * @param edgeVersion the version that the edge has
 * @returns 204 if the edge is up to date
 */
export const serveBlocklist = (
  { version, bytes }: CompiledBlocklist,
  edgeVersion: string | undefined,
  requestId: string,
): Response => {
  const headers = { [internalHeaders.requestId]: requestId, [internalHeaders.blocklistVersion]: version };
  return version === edgeVersion
    ? new Response(null, { status: 204, headers })
    : new Response(bytes, { headers: { ...headers, "content-type": "application/octet-stream" } });
};
