/** Publishes the compiled blocklist. */
import { publishedBlocklistName, writeParts } from "../../../middleware/blocklist/published-blocklist.ts";
import type { Publication } from "../publish.ts";
import { readCompiledBlocklist } from "./snapshot.ts";

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
