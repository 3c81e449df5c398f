/** The contract of the edge under test: a read, a write that is sent once, and a write that may be repeated. */
import * as z from "zod/mini";
import { defineRoute, type Routes } from "../../../src/contract/route.ts";
import { idempotencyKey } from "../../../src/contract/schemas.ts";

/** For every route and every contestant, milliseconds. */
export const TIMEOUT_MS = 2_000;

const body = z.object({ quantity: z.number() });
const responses = { 200: { description: "The thing.", body: z.object({ id: z.string() }) } };
const loadId = { "x-load-id": z.optional(z.string()) };

export const routes: Routes = {
  readItem: defineRoute({
    method: "GET",
    path: "/items/:id",
    summary: "Read an item",
    tag: "Items",
    request: { params: z.object({ id: z.string() }) },
    responses,
    policy: { auth: "public", timeout: `${TIMEOUT_MS}ms` },
  }),
  writeItem: defineRoute({
    method: "POST",
    path: "/items",
    summary: "Write an item",
    tag: "Items",
    request: { body, headers: z.object(loadId) },
    responses,
    policy: { auth: "public", timeout: `${TIMEOUT_MS}ms` },
  }),
  writeOrder: defineRoute({
    method: "POST",
    path: "/orders",
    summary: "Write an order, once for each key",
    tag: "Orders",
    request: { body, headers: z.object({ ...loadId, "idempotency-key": idempotencyKey() }) },
    responses,
    policy: { auth: { scopes: ["orders:write"] }, retry: "with-key", timeout: `${TIMEOUT_MS}ms` },
  }),
};
