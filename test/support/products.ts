/** Products of the shop, and the database's own counts of them. */
import { expect, vi } from "vitest";
import { Product } from "#api/contract/products.ts";
import type { PostgresPool } from "../../src/origin/db/postgres.ts";
import type { System } from "./system.ts";

/** Adds a product with a unique name. @returns its id */
export const addProduct = async (system: System, key: string, stock: number): Promise<string> => {
  const json = { name: `Limited ${crypto.randomUUID()}`, price: { amount: 100, currency: "EUR" }, stock };
  const response = await vi.waitUntil(
    async () => {
      const answer = await system.call("/v1/products", { method: "POST", key, json });
      // After an outage, a breaker is open for a moment.
      return answer.status !== 503 && answer;
    },
    { timeout: 15_000, interval: 200 },
  );
  expect(response.status).toBe(201);
  return Product.parse(await response.json()).id;
};

/** A product's stock in the database. */
export const stockOf = async ({ pool }: System, id: string): Promise<number | undefined> =>
  (await pool.query<{ stock: number }>("SELECT stock FROM products WHERE id = $1", [id]))[0]?.stock;

/** The number of orders for a product in the database. */
export const orderCount = async ({ pool }: System, productId: string): Promise<number | undefined> => {
  const [row] = await pool.query<{ orders: number }>(
    "SELECT count(DISTINCT order_id)::int AS orders FROM order_lines WHERE product_id = $1",
    [productId],
  );
  return row?.orders;
};

/**
 * Counts reads of single products in the database from now on; call it before the first read.
 *
 * @returns a function that returns the count
 */
export const countProductReads = async (pool: PostgresPool): Promise<() => Promise<number>> => {
  await pool.query("CREATE SEQUENCE product_reads");
  await pool.query("ALTER TABLE products RENAME TO kept_products");
  await pool.query("CREATE VIEW products AS SELECT * FROM kept_products WHERE nextval('product_reads') > 0");
  return async () => {
    const [row] = await pool.query<{ reads: number }>(
      "SELECT CASE WHEN is_called THEN last_value ELSE 0 END AS reads FROM product_reads",
    );
    return row?.reads ?? Number.NaN;
  };
};
