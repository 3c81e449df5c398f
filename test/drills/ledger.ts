/** The history of a shop's clients, compared with the database. */
import type { PostgresPool } from "../../src/origin/db/postgres.ts";

/** `done` and `not_done` are the response's word; `unknown` means that it left this open, or never came. */
export type Result = "done" | "not_done" | "unknown";

export interface OrderLine {
  readonly productId: string;
  readonly quantity: number;
}

/** An order that a client wanted once, however often it repeated the request. */
export interface OrderEntry {
  readonly principal: string;
  readonly lines: readonly OrderLine[];
  result: Result;
  /** Status and code of the last response, for messages. */
  answer?: string;
  /** Of the order, if it is known. */
  id?: string;
  /** Of the cancellation; undefined if the client never asked for it. */
  cancellation?: Result;
}

/** Changes of a product's price. */
export interface ChangeEntry {
  readonly productId: string;
  readonly result: Result;
}

export interface Ledger {
  readonly stockAtStart: number;
  readonly productIds: readonly string[];
  readonly orders: OrderEntry[];
  readonly changes: ChangeEntry[];
}

interface StoredOrder {
  readonly id: string;
  readonly principal: string;
  readonly status: "placed" | "cancelled";
  readonly lines: readonly OrderLine[];
}

interface StoredProduct {
  readonly id: string;
  readonly stock: number;
  readonly version: number;
  readonly restocked: number;
  readonly restocks: number;
}

/** Restocks of a test, each in the transaction that adds the pieces. */
export const createRestocks = async (pool: PostgresPool): Promise<void> => {
  await pool.query("CREATE TABLE restocks (product_id uuid NOT NULL, quantity integer NOT NULL)");
};

/** Adds pieces as another program might. @throws if the database cannot be reached */
export const restock = async (pool: PostgresPool, productId: string, quantity: number): Promise<void> => {
  await pool.query(
    `WITH noted AS (INSERT INTO restocks VALUES ($1, $2))
     UPDATE products SET stock = stock + $2, version = version + 1 WHERE id = $1`,
    [productId, quantity],
  );
};

const readOrders = (pool: PostgresPool): Promise<StoredOrder[]> =>
  pool.query<StoredOrder>(
    `SELECT o.id, o.principal, o.status,
       (SELECT json_agg(json_build_object('productId', product_id, 'quantity', quantity) ORDER BY position)
        FROM order_lines WHERE order_id = o.id) AS lines
     FROM orders o`,
  );

const readProducts = (pool: PostgresPool, ids: readonly string[]): Promise<StoredProduct[]> =>
  pool.query<StoredProduct>(
    `SELECT id, stock, version::int, coalesce(sum(r.quantity), 0)::int AS restocked, count(r)::int AS restocks
     FROM products LEFT JOIN restocks r ON r.product_id = id WHERE id = ANY ($1::uuid[]) GROUP BY id`,
    [ids],
  );

const signature = ({ principal, lines }: Pick<OrderEntry, "principal" | "lines">): string =>
  JSON.stringify([principal, lines.map(({ productId, quantity }) => [productId, quantity])]);

const count = <T>(items: Iterable<T>, isCounted: (item: T) => boolean): number =>
  [...items].filter(isCounted).length;

/** Orders that were promised and are missing or changed; orders that no client's unknown outcome explains. */
const orderFaults = (orders: readonly OrderEntry[], stored: readonly StoredOrder[]): string[] => {
  const left = new Map(stored.map((order) => [order.id, order]));
  const faults: string[] = [];
  for (const { id, result, cancellation, ...entry } of orders) {
    if (id === undefined || result !== "done") continue;
    const order = left.get(id);
    left.delete(id);
    if (order === undefined) faults.push(`lost or given to two clients: order ${id}`);
    else if (signature(order) !== signature(entry)) faults.push(`changed: order ${id}`);
    else if (cancellation === "done" && order.status !== "cancelled")
      faults.push(`lost: cancellation of ${id}`);
    else if (order.status === "cancelled" && (cancellation ?? "not_done") === "not_done")
      faults.push(`canceled by no client: order ${id}`);
  }
  const unknown = orders.filter(({ result }) => result === "unknown").map(signature);
  for (const order of left.values()) {
    const place = unknown.indexOf(signature(order));
    const answers = orders
      .filter((entry) => signature(entry) === signature(order))
      .map(({ answer }) => answer);
    if (place === -1) faults.push(`double or denied: order ${order.id} (such orders got ${answers})`);
    else unknown.splice(place, 1);
  }
  return faults;
};

/** The stock is the start, the restocks and the cancellations less the sales; each change has counted once. */
const productFaults = (
  { stockAtStart, changes }: Ledger,
  products: readonly StoredProduct[],
  orders: readonly StoredOrder[],
): string[] =>
  products.flatMap(({ id, stock, version, restocked, restocks }) => {
    const faults: string[] = [];
    const linesOf = (order: StoredOrder) => order.lines.filter(({ productId }) => productId === id);
    const sold = orders
      .filter(({ status }) => status === "placed")
      .flatMap(linesOf)
      .reduce((sum, { quantity }) => sum + quantity, 0);
    const expected = stockAtStart + restocked - sold;
    if (stock !== expected || stock < 0) faults.push(`stock of ${id} is ${stock}, not ${expected}`);
    const moves = orders
      .filter((order) => linesOf(order).length > 0)
      .reduce((sum, { status }) => sum + (status === "placed" ? 1 : 2), restocks);
    const changed = version - 1 - moves;
    const own = changes.filter(({ productId }) => productId === id);
    const done = count(own, ({ result }) => result === "done");
    const most = done + count(own, ({ result }) => result === "unknown");
    if (changed < done || changed > most) faults.push(`${changed} changes of ${id}, not ${done} to ${most}`);
    return faults;
  });

export interface Stored {
  readonly orders: readonly StoredOrder[];
  readonly products: readonly StoredProduct[];
}

/** Compares the clients' history with what is stored. @returns what does not fit, a line each */
export const compare = (ledger: Ledger, { orders, products }: Stored): string[] => [
  ...orderFaults(ledger.orders, orders),
  ...productFaults(ledger, products, orders),
];

/** Compares the clients' history with the database. */
export const findFaults = async (ledger: Ledger, pool: PostgresPool): Promise<string[]> => {
  const [orders, products] = await Promise.all([readOrders(pool), readProducts(pool, ledger.productIds)]);
  return compare(ledger, { orders, products });
};
