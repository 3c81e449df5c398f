/** Counts what is read of the products, in the database itself. */
import type { PostgresPool } from "../../src/origin/db/postgres.ts";

/**
 * From now on each read of one product counts; to be called before the first one.
 *
 * @returns how many there have been
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
