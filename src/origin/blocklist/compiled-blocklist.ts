/** The blocklist as the database has it, compiled; it is compiled once a version, as everybody asks for the same. */
import { compileBlocklist } from "../../middleware/blocklist/compile.ts";
import type { Database } from "../db/database.ts";
import { readVersion } from "../snapshots/version.ts";
import { blocklistSnapshot } from "./block-store.ts";

export interface CompiledBlocklist {
  readonly version: string;
  readonly bytes: Uint8Array<ArrayBuffer>;
}

export const compiledBlocklist = (): ((database: Database) => Promise<CompiledBlocklist>) => {
  let last: CompiledBlocklist | undefined;
  return async (database) => {
    if (last !== undefined && last.version === (await readVersion(database, "blocklist"))) return last;
    const { version, entries } = await blocklistSnapshot(database);
    last = { version, bytes: compileBlocklist(entries) };
    return last;
  };
};
