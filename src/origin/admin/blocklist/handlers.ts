/** Handlers of the operators' routes for the blocklist. */
import type * as z from "zod/mini";
import type { administrationRoutes, Block as BlockSchema } from "../../../contract/admin.ts";
import { problem } from "../../../contract/problem.ts";
import { pageOf } from "../../cursors.ts";
import type { Handlers } from "../../handler.ts";
import { type Block, listBlocks, parseNetworkToBlock, removeBlock, setBlock } from "./store.ts";

const toJson = (block: Block): z.output<typeof BlockSchema> => ({
  ...block,
  createdAt: block.createdAt.toISOString(),
  expiresAt: block.expiresAt?.toISOString() ?? null,
});

export const administrationHandlers: Handlers<typeof administrationRoutes> = {
  listBlocks: async ({ query }, { database, cursors }) => {
    const blocks = await listBlocks(database, { before: cursors.open(query.cursor), most: query.limit + 1 });
    return { status: 200, body: pageOf(blocks.map(toJson), query.limit, cursors) };
  },

  addBlock: async ({ body }, { database }) => {
    const network = parseNetworkToBlock(body.network);
    if (typeof network === "string")
      return problem("invalid_request", { errors: [{ in: "body", field: "network", detail: network }] });
    const block = await setBlock(database, { network, reason: body.reason, forS: body.durationS ?? null });
    return block === undefined ? problem("blocklist_full") : { status: 201, body: toJson(block) };
  },

  removeBlock: async ({ params }, { database }) =>
    (await removeBlock(database, params)) === undefined ? problem("not_found") : { status: 204 },
};
