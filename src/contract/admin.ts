/** Administration routes, for operators. */
import * as z from "zod/mini";
import { defineRoute } from "./route.ts";
import { idempotencyKey, instant, integer, line, named, page, paging, uuid } from "./schemas.ts";

const TAG = "Administration";
const READ = "blocklist:read";
const WRITE = "blocklist:write";

/** A year. */
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

/** As wide as `SHORTEST_PREFIX` allows. */
const Network = z
  .union(
    [
      z.ipv4(),
      z.ipv6(),
      z.cidrv4().check(z.regex(/\/(?:[89]|[12]\d|3[0-2])$/)),
      // IPv4-mapped, whose /104 is an IPv4 /8.
      z
        .string()
        .check(
          z.regex(
            /^::[Ff]{4}:(?:(?:25[0-5]|2[0-4]\d|1\d\d|[1-9]?\d)\.){3}(?:25[0-5]|2[0-4]\d|1\d\d|[1-9]?\d)(?:\/(?:10[4-9]|11\d|12[0-8]))?$/,
          ),
        ),
      z.cidrv6().check(z.regex(/\/(?:1[6-9]|[2-9]\d|1[01]\d|12[0-8])$/)),
    ],
    "Must be an address such as 192.0.2.7, or a range such as 192.0.2.0/24 or 2001:db8::/32, no wider than /8 (IPv4) or /16 (IPv6)",
  )
  .check(z.meta({ description: "An address, or a range no wider than /8 (IPv4) or /16 (IPv6)" }));

const NewBlock = named(
  "NewBlock",
  z.strictObject({
    network: Network,
    reason: line(1, 200),
    durationS: z.optional(z.nullable(integer(1, LONGEST_BLOCK_S))),
  }),
  { examples: [{ network: "192.0.2.0/24", reason: "credential stuffing", durationS: 3600 }] },
);

export const listBlocks = defineRoute({
  method: "GET",
  path: "/admin/blocklist",
  summary: "List blocked clients",
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
    "An IP address, or a range in CIDR notation; it takes effect everywhere within 10 seconds. Without " +
    "`durationS` the block is permanent. It replaces an earlier block of the same network.",
  tag: TAG,
  request: { headers: z.object({ "idempotency-key": z.optional(idempotencyKey()) }), body: NewBlock },
  responses: { 201: { description: "The block", body: Block } },
  problems: ["invalid_request", "blocklist_full"],
  policy: { auth: { scopes: [WRITE] }, maxBody: 4_096, retry: "with-key", sensitive: true },
});

export const removeBlock = defineRoute({
  method: "DELETE",
  path: "/admin/blocklist/:id",
  summary: "Remove a block",
  tag: TAG,
  request: { params: z.strictObject({ id: uuid() }) },
  responses: { 204: { description: "The block was removed" } },
  problems: ["not_found"],
  policy: { auth: { scopes: [WRITE] }, retry: "idempotent", sensitive: true },
});

export const administrationRoutes = { listBlocks, addBlock, removeBlock };
