/** The compiled blocklist: published to Redis, and served to an edge that cannot reach Redis. */
import { internalHeaders } from "../../../contract/internal-headers.ts";
import { compileBlocklist } from "../../../middleware/blocklist/blocklist.ts";
import { parseNetwork } from "../../../middleware/blocklist/network.ts";
import { publishedBlocklistName, writeParts } from "../../../middleware/blocklist/snapshot.ts";
import type { Database } from "../../db/database.ts";
import { type Publication, readVersion } from "../publish.ts";
import { blocklistSnapshot } from "./store.ts";

export interface CompiledBlocklist {
  readonly version: string;
  readonly bytes: Uint8Array<ArrayBuffer>;
}

const readCompiledBlocklist = async (database: Database): Promise<CompiledBlocklist> => {
  const { version, rows } = await blocklistSnapshot(database);
  const entries = rows.flatMap(({ network: cidr, expiresAtMs }) => {
    const network = parseNetwork(cidr);
    return network === undefined ? [] : [{ network, expiresAtMs }];
  });
  return { version, bytes: compileBlocklist(entries) };
};

/** If no origin can reach Redis, the published list may lack a block; once it expires, the edge asks an origin. */
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
