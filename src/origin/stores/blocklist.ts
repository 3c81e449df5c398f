/** The blocklist of an origin that guards itself: compiled from the database. */
import { readBlocklist } from "../../middleware/blocklist/blocklist.ts";
import type { LoadBlocklist } from "../../middleware/blocklist/snapshot.ts";
import { compiledBlocklist } from "../admin/blocklist/store.ts";
import { timedScope } from "../db/database.ts";
import type { PostgresPool } from "../db/postgres.ts";

const TIMEOUT_MS = 5_000;

export const originBlocklistSource = (database: PostgresPool): LoadBlocklist => {
  const compiled = compiledBlocklist();
  return async (current) => {
    const scope = timedScope("guard_blocklist", TIMEOUT_MS, true);
    const { version, bytes } = await compiled(database.within(scope));
    if (version === current?.version) return current;
    const list = readBlocklist(bytes);
    if (list === undefined) throw new Error("the compiled blocklist is not readable");
    return { version, list };
  };
};
