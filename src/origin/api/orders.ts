import { v7 as uuidv7 } from "uuid";
import type * as z from "zod/mini";
import { CURRENCY } from "../../contract/api/money.ts";
import type { cancelOrder, getOrder, listOrders, Order, placeOrder } from "../../contract/api/orders.ts";
import { problem } from "../../contract/problem.ts";
import { pageOf } from "../cursors.ts";
import type { Database } from "../db/database.ts";
import type { Handler } from "../handler.ts";
import { tagsOf } from "./products.ts";

interface OrderRow {
  id: string;
  status: "placed" | "cancelled";
  total_minor: number;
  created_at: Date;
  cancelled_at: Date | null;
  lines: { product_id: string; name: string; quantity: number; unit_price_minor: number }[];
}

const SELECT_ORDER = `
  SELECT o.id, o.status, o.total_minor, o.created_at, o.cancelled_at,
    (SELECT json_agg(l ORDER BY l.position) FROM order_lines l WHERE l.order_id = o.id) AS lines
  FROM orders o`;

const toOrder = (row: OrderRow): z.output<typeof Order> => ({
  id: row.id,
  status: row.status,
  lines: row.lines.map((line) => ({
    productId: line.product_id,
    name: line.name,
    quantity: line.quantity,
    unitPrice: { amount: line.unit_price_minor, currency: CURRENCY },
  })),
  total: { amount: row.total_minor, currency: CURRENCY },
  createdAt: row.created_at.toISOString(),
  cancelledAt: row.cancelled_at?.toISOString() ?? null,
});

/** Finds orders of the owner only: a stranger cannot learn whether an order exists. */
const findOrder = async (database: Database, id: string, owner: string): Promise<OrderRow | undefined> => {
  const [row] = await database.query<OrderRow>(`${SELECT_ORDER} WHERE o.id = $1 AND o.principal = $2`, [
    id,
    owner,
  ]);
  return row;
};

export const handleListOrders: Handler<typeof listOrders> = async (
  { query, principal },
  { database, cursors },
) => {
  const rows = await database.query<OrderRow>(
    `${SELECT_ORDER} WHERE o.principal = $1 AND ($2::uuid IS NULL OR o.id < $2) ORDER BY o.id DESC LIMIT $3`,
    [principal.id, cursors.open(query.cursor) ?? null, query.limit + 1],
  );
  return { status: 200, body: pageOf(rows.map(toOrder), query.limit, cursors) };
};

export const handleGetOrder: Handler<typeof getOrder> = async ({ params, principal }, { database }) => {
  const row = await findOrder(database, params.id, principal.id);
  return row === undefined ? problem("not_found") : { status: 200, body: toOrder(row) };
};

/*
 * PLACE_ORDER and CANCEL_ORDER move stock, each in one statement: one transaction, one round trip. Both lock the
 * products in the order of their ids, to avoid deadlocks; a locked row is read in its latest version, so that no
 * two orders take the same piece. The new stock must be computed from that version, too: PostgreSQL computes
 * `p.stock` from the statement's snapshot first, and checks constraints before it notices a newer version.
 */

/** $1 order's id, $2 principal, $3 products' ids, $4 quantities. Takes the stock of all lines or of none. */
const PLACE_ORDER = `
WITH locked AS (
  SELECT p.id, p.name, p.price_minor, p.stock
  FROM products p WHERE p.id = ANY ($3::uuid[])
  ORDER BY p.id FOR UPDATE
), line AS (
  SELECT w.position::int, w.quantity, l.id, l.name, l.price_minor, l.stock,
    bool_and(coalesce(l.stock >= w.quantity, false)) OVER () AS placed,
    sum(w.quantity::bigint * l.price_minor) OVER () AS total
  FROM unnest($3::uuid[], $4::int[]) WITH ORDINALITY AS w (product_id, quantity, position)
  LEFT JOIN locked l ON l.id = w.product_id
), taken AS (
  UPDATE products p
  SET stock = line.stock - line.quantity, version = p.version + 1, updated_at = now()
  FROM line WHERE p.id = line.id AND line.placed
), placed AS (
  INSERT INTO orders (id, principal, total_minor)
  SELECT $1, $2, total FROM line WHERE placed AND position = 1
), kept AS (
  INSERT INTO order_lines (order_id, position, product_id, name, quantity, unit_price_minor)
  SELECT $1, position, id, name, quantity, price_minor FROM line WHERE placed
)
SELECT position, quantity, name, price_minor, stock, CASE WHEN placed THEN now() END AS created_at
FROM line ORDER BY position`;

/** A requested line and its product; name, price and stock are null for an unknown product. */
interface PlacedLine {
  position: number;
  quantity: number;
  name: string | null;
  price_minor: number | null;
  stock: number | null;
  /** Null if the order was not placed. */
  created_at: Date | null;
}

export const handlePlaceOrder: Handler<typeof placeOrder> = async (
  { body, principal },
  { database, cache },
) => {
  const { lines } = body;
  const id = uuidv7();
  const productIds = lines.map((line) => line.productId);
  const quantities = lines.map((line) => line.quantity);
  // Before the outcome is known: the statement may commit although its response is lost.
  cache.invalidate(...tagsOf(productIds));
  const found = await database.query<PlacedLine>(PLACE_ORDER, [id, principal.id, productIds, quantities], {
    plan: "generic",
    creates: { table: "orders", id },
  });
  const unknown = found.filter(({ stock }) => stock === null);
  if (unknown.length > 0) {
    return problem("unknown_product", {
      errors: unknown.map(({ position }) => ({
        in: "body",
        field: `lines[${position - 1}].productId`,
        detail: "Unknown product",
      })),
    });
  }
  const short = found.filter(({ stock, quantity }) => (stock ?? 0) < quantity);
  if (short.length > 0) {
    return problem("out_of_stock", {
      errors: short.map(({ position, stock }) => ({
        in: "body",
        field: `lines[${position - 1}].quantity`,
        detail: `Only ${stock} left`,
      })),
    });
  }
  return { status: 201, body: placedOrder(id, lines, found), headers: { location: `/v1/orders/${id}` } };
};

const placedOrder = (
  id: string,
  lines: readonly { productId: string }[],
  found: readonly PlacedLine[],
): z.output<typeof Order> => {
  const createdAt = found[0]?.created_at;
  if (!createdAt) throw new Error("an order with stock for every line was not placed");
  return {
    id,
    status: "placed",
    lines: found.map(({ position, name, quantity, price_minor }) => ({
      productId: lines[position - 1]?.productId.toLowerCase() ?? "",
      name: name ?? "",
      quantity,
      unitPrice: { amount: price_minor ?? 0, currency: CURRENCY },
    })),
    total: {
      amount: found.reduce((sum, { quantity, price_minor }) => sum + quantity * (price_minor ?? 0), 0),
      currency: CURRENCY,
    },
    createdAt: createdAt.toISOString(),
    cancelledAt: null,
  };
};

/** $1 order's id, $2 principal. One row if the order was cancelled, else none. */
const CANCEL_ORDER = `
WITH cancelled AS (
  UPDATE orders SET status = 'cancelled', cancelled_at = now()
  WHERE id = $1 AND principal = $2 AND status = 'placed'
  RETURNING id, cancelled_at
), line AS (
  SELECT product_id, quantity FROM order_lines WHERE order_id IN (SELECT id FROM cancelled)
), locked AS (
  SELECT p.id, p.stock FROM products p WHERE p.id IN (SELECT product_id FROM line) ORDER BY p.id FOR UPDATE
), returned AS (
  UPDATE products p
  SET stock = locked.stock + line.quantity, version = p.version + 1, updated_at = now()
  FROM locked, line WHERE p.id = locked.id AND p.id = line.product_id
)
SELECT cancelled_at FROM cancelled`;

export const handleCancelOrder: Handler<typeof cancelOrder> = async (
  { params, principal },
  { database, cache },
) => {
  const order = await findOrder(database, params.id, principal.id);
  if (order === undefined) return problem("not_found");
  // Before the outcome is known: the statement may commit although its response is lost.
  cache.invalidate(...tagsOf(order.lines.map((line) => line.product_id)));
  const [cancelled] = await database.query<{ cancelled_at: Date }>(CANCEL_ORDER, [params.id, principal.id], {
    plan: "generic",
  });
  if (cancelled === undefined) {
    const present = await findOrder(database, params.id, principal.id);
    return problem("order_not_cancellable", { detail: `The order is ${present?.status ?? order.status}.` });
  }
  return { status: 200, body: toOrder({ ...order, ...cancelled, status: "cancelled" }) };
};
