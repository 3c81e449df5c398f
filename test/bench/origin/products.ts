/** The products that all requests read and order. */
import { insertSampleData, sampleProductId } from "../../../src/origin/api/sample-data.ts";
import { withClient } from "../support/services.ts";
import { PRODUCT_COUNT } from "./workload.ts";

/** The most that the contract allows, and more than all orders of a run. */
const STOCK = 1_000_000;

const numbers = Array.from({ length: PRODUCT_COUNT }, (_, index) => index + 1);

/** Adds the sample products and others, `PRODUCT_COUNT` in all, to existing tables. */
export const insertProducts = (databaseUrl: string): Promise<void> =>
  withClient(databaseUrl, async (client) => {
    const query = async (text: string, values: readonly unknown[] = []) =>
      (await client.query(text, [...values])).rows;
    // It uses only this method of a database.
    await insertSampleData({ query } as Parameters<typeof insertSampleData>[0]);
    await client.query(
      `INSERT INTO products (id, name, description, price_minor, stock)
       SELECT id, 'Product ' || n, 'One of many, number ' || n, 100 + n, 0
       FROM unnest($1::uuid[], $2::int[]) AS product (id, n) ON CONFLICT (id) DO NOTHING`,
      [numbers.map(sampleProductId), numbers],
    );
    await client.query("UPDATE products SET stock = $1", [STOCK]);
    await client.query("VACUUM ANALYZE products");
  });
