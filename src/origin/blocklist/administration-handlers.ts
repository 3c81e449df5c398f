/** Serves the routes by which operators see and change the blocklist. */
import type * as z from "zod/mini";
import type {
  addBlock,
  administrationRoutes,
  Block as BlockShape,
  listBlocks as listRoute,
  removeBlock as removeRoute,
} from "../../contract/admin.ts";
import { problem } from "../../contract/problem.ts";
import type { Handler, Handlers } from "../handler.ts";
import { pageOf } from "../paging/page.ts";
import { type Block, listBlocks, removeBlock, setBlock } from "./block-store.ts";
import { readBlockable } from "./read-block.ts";

const toBlock = ({
  id,
  network,
  reason,
  source,
  createdAt,
  expiresAt,
}: Block): z.output<typeof BlockShape> => ({
  id,
  network,
  reason,
  source,
  createdAt: createdAt.toISOString(),
  expiresAt: expiresAt?.toISOString() ?? null,
});

const handleListBlocks: Handler<typeof listRoute> = async ({ query }, { database, cursors }) => {
  const blocks = await listBlocks(database, { before: cursors.open(query.cursor), most: query.limit + 1 });
  return { status: 200, body: pageOf(blocks.map(toBlock), query.limit, cursors) };
};

const handleAddBlock: Handler<typeof addBlock> = async ({ body }, { database }) => {
  const network = readBlockable(body.network);
  if (typeof network === "string")
    return problem("invalid_request", { errors: [{ in: "body", field: "network", detail: network }] });
  const block = await setBlock(database, { network, reason: body.reason, forS: body.durationS ?? null });
  return block === undefined ? problem("blocklist_full") : { status: 201, body: toBlock(block) };
};

const handleRemoveBlock: Handler<typeof removeRoute> = async ({ params }, { database }) =>
  (await removeBlock(database, params)) === undefined ? problem("not_found") : { status: 204 };

export const administrationHandlers: Handlers<typeof administrationRoutes> = {
  listBlocks: handleListBlocks,
  addBlock: handleAddBlock,
  removeBlock: handleRemoveBlock,
};
