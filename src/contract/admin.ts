/** The routes by which operators run the system. */
import * as z from "zod/mini";
import { defineRoute } from "./route.ts";
import { idempotencyKey, instant, integer, named, page, paging, text, uuid } from "./schemas.ts";

const TAG = "Administration";
const READ = "blocklist:read";
const WRITE = "blocklist:write";

/** A year: longer is for ever. */
const LONGEST_BLOCK_S = 31_536_000;

export const Block = named(
  "Block",
  z.strictObject({
    id: uuid(),
    network: z.string(),
    reason: z.string(),
    source: z.enum(["operator", "automatic"]),
    createdAt: instant(),
    expiresAt: z.nullable(instant()),
  }),
);

const NewBlock = named(
  "NewBlock",
  z.strictObject({
    network: z.string().check(z.regex(/^[0-9A-Fa-f:.]{2,45}(\/\d{1,3})?$/, "Must be an address or a range")),
    reason: text(1, 200),
    durationS: z.optional(z.nullable(integer(1, LONGEST_BLOCK_S))),
  }),
  { examples: [{ network: "192.0.2.0/24", reason: "guesses keys", durationS: 3600 }] },
);

export const listBlocks = defineRoute({
  method: "GET",
  path: "/admin/blocklist",
  summary: "List the clients that are blocked",
  description: "Newest first.",
  tag: TAG,
  request: { query: z.strictObject(paging) },
  responses: { 200: { description: "A page of blocks", body: named("BlockPage", page(Block)) } },
  policy: { auth: { scopes: [READ] }, retry: "safe", sensitive: true },
});

export const addBlock = defineRoute({
  method: "POST",
  path: "/admin/blocklist",
  summary: "Block a client",
  description:
    "An address or a range in CIDR notation; within 10 seconds it is refused everywhere. Without `durationS` it is " +
    "blocked for ever. A block of the same network takes the earlier one's place.",
  tag: TAG,
  request: { headers: z.object({ "idempotency-key": z.optional(idempotencyKey()) }), body: NewBlock },
  responses: { 201: { description: "The block", body: Block } },
  problems: ["invalid_request", "blocklist_full"],
  policy: { auth: { scopes: [WRITE] }, maxBody: 1_024, retry: "with-key", sensitive: true },
});

export const removeBlock = defineRoute({
  method: "DELETE",
  path: "/admin/blocklist/:id",
  summary: "End a block",
  tag: TAG,
  request: { params: z.strictObject({ id: uuid() }) },
  responses: { 204: { description: "It is gone" } },
  problems: ["not_found"],
  policy: { auth: { scopes: [WRITE] }, retry: "idempotent", sensitive: true },
});

export const administrationRoutes = { listBlocks, addBlock, removeBlock };
