/** Orders. Each is visible only to the principal that placed it. */
import * as z from "zod/mini";
import { defineRoute } from "../route.ts";
import { idempotencyKey, instant, integer, named, page, paging, uuid } from "../schemas.ts";
import { orders, perPrincipal } from "./limits.ts";
import { Money, Total } from "./money.ts";

const Line = z.strictObject({
  productId: uuid(),
  name: z.string(),
  quantity: integer(1, 100),
  unitPrice: Money,
});

export const Order = named(
  "Order",
  z.strictObject({
    id: uuid(),
    status: z.enum(["placed", "cancelled"]),
    lines: z.array(Line),
    total: Total,
    createdAt: instant(),
    cancelledAt: z.nullable(instant()),
  }),
);

const eachProductOnce = (lines: readonly { productId: string }[]): boolean =>
  new Set(lines.map((line) => line.productId.toLowerCase())).size === lines.length;

const ONCE = "Each product may appear only once";

const NewOrder = named(
  "NewOrder",
  z.strictObject({
    lines: z
      .array(z.strictObject({ productId: uuid(), quantity: integer(1, 100) }))
      .check(
        z.minLength(1),
        z.maxLength(20),
        z.refine(eachProductOnce, ONCE),
        z.meta({ description: ONCE, uniqueItems: true, "x-unique-by": "productId" }),
      ),
  }),
  { examples: [{ lines: [{ productId: "01900000-0000-7000-8000-000000000001", quantity: 1 }] }] },
);

const id = z.strictObject({ id: uuid() });
const headers = z.object({ "idempotency-key": z.optional(idempotencyKey()) });

export const listOrders = defineRoute({
  method: "GET",
  path: "/v1/orders",
  summary: "List your orders",
  description: "Newest first.",
  tag: "Orders",
  request: { query: z.strictObject(paging) },
  responses: { 200: { description: "A page of orders", body: named("OrderPage", page(Order)) } },
  policy: { auth: { scopes: ["orders:read"] }, limit: [perPrincipal], retry: "safe", sensitive: true },
});

export const getOrder = defineRoute({
  method: "GET",
  path: "/v1/orders/:id",
  summary: "Get an order",
  tag: "Orders",
  request: { params: id },
  responses: { 200: { description: "The order", body: Order } },
  problems: ["not_found"],
  policy: { auth: { scopes: ["orders:read"] }, limit: [perPrincipal], retry: "safe", sensitive: true },
});

export const placeOrder = defineRoute({
  method: "POST",
  path: "/v1/orders",
  summary: "Place an order",
  description:
    "Reserves the stock of all lines or of none. With an Idempotency-Key the request can be retried safely.",
  tag: "Orders",
  request: { headers, body: NewOrder },
  responses: {
    201: {
      description: "The placed order",
      body: Order,
      headers: { location: "URL of the order" },
    },
  },
  problems: ["out_of_stock", "unknown_product"],
  policy: {
    auth: { scopes: ["orders:write"] },
    limit: [orders, perPrincipal],
    maxBody: 8 * 1024,
    retry: "with-key",
    timeout: "15s",
    sensitive: true,
  },
});

export const cancelOrder = defineRoute({
  method: "POST",
  path: "/v1/orders/:id/cancel",
  summary: "Cancel an order",
  description: "Returns the stock. With an Idempotency-Key the request can be retried safely.",
  tag: "Orders",
  request: { params: id, headers },
  responses: { 200: { description: "The cancelled order", body: Order } },
  problems: ["not_found", "order_not_cancellable"],
  policy: { auth: { scopes: ["orders:write"] }, limit: [perPrincipal], retry: "with-key", sensitive: true },
});
