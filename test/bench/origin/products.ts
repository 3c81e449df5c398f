/** The products of all requests. */
import { insertSampleData, sampleProductId } from "#api/origin/sample-data.ts";
import { connectPostgres } from "../../../src/origin/db/postgres.ts";
import { createLog } from "../../../src/origin/log/log.ts";
import { withClient } from "../support/services.ts";
import { PRODUCT_COUNT } from "./workload.ts";

/** The most that the contract allows, and more than all orders of a run. */
const STOCK = 1_000_000;

const numbers = Array.from({ length: PRODUCT_COUNT }, (_, index) => index + 1);

/** Adds the sample products and others, `PRODUCT_COUNT` in all, to existing tables. */
export const insertProducts = async (databaseUrl: string): Promise<void> => {
  const pool = connectPostgres(databaseUrl, { maxConnections: 1, log: createLog("silent") });
  await insertSampleData(pool);
  await pool.query(
    `INSERT INTO products (id, name, description, price_minor, stock)
     SELECT id, 'Product ' || n, 'One of many, number ' || n, 100 + n, 0
     FROM unnest($1::uuid[], $2::int[]) AS product (id, n) ON CONFLICT (id) DO NOTHING`,
    [numbers.map(sampleProductId), numbers],
  );
  await pool.query("UPDATE products SET stock = $1", [STOCK]);
  await pool.close();
  await withClient(databaseUrl, (client) => client.query("VACUUM ANALYZE products"));
};
