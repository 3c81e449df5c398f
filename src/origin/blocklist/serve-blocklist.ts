/** Gives the blocklist to an edge that cannot have it from Redis. */
import { tierHeaders } from "../../contract/tier-headers.ts";
import { compileBlocklist } from "../../core/security/blocklist/compile.ts";
import type { Database } from "../data/database.ts";
import { readVersion } from "../snapshots/version.ts";
import { blocklistSnapshot } from "./block-store.ts";

interface Compiled {
  readonly version: string;
  readonly bytes: Uint8Array<ArrayBuffer>;
}

/** @returns what answers: 204 where the edge has the present version already, else 200 with the compiled list */
export const blocklistServer = () => {
  /** The last one: every isolate asks for the same. */
  let compiled: Compiled | undefined;

  const present = async (database: Database): Promise<Compiled> => {
    if (compiled?.version === (await readVersion(database, "blocklist"))) return compiled;
    const { version, entries } = await blocklistSnapshot(database);
    compiled = { version, bytes: compileBlocklist(entries) };
    return compiled;
  };

  return async (database: Database, known: string | undefined, requestId: string): Promise<Response> => {
    const { version, bytes } = await present(database);
    const headers = { [tierHeaders.requestId]: requestId, [tierHeaders.blocklistVersion]: version };
    return version === known
      ? new Response(null, { status: 204, headers })
      : new Response(bytes, { headers: { ...headers, "content-type": "application/octet-stream" } });
  };
};
