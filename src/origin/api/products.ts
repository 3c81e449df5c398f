import { v7 as uuidv7 } from "uuid";
import type * as z from "zod/mini";
import { CURRENCY } from "../../contract/api/money.ts";
import type {
  createProduct,
  getProduct,
  listProducts,
  Product,
  updateProduct,
} from "../../contract/api/products.ts";
import { problem } from "../../contract/problem.ts";
import { entityTag, matchHolds, strongTags } from "../../lib/http.ts";
import { pageOf } from "../cursors.ts";
import type { Database } from "../db/database.ts";
import type { Handler } from "../handler.ts";

/** The cache tags of responses with these products: one for each product, and one for lists. */
export const tagsOf = (productIds: readonly string[]): string[] => [
  "products",
  ...productIds.map((id) => `products/${id}`),
];

interface ProductRow {
  id: string;
  name: string;
  description: string;
  price_minor: number;
  stock: number;
  version: number;
  created_at: Date;
  updated_at: Date;
}

const COLUMNS = "id, name, description, price_minor, stock, version, created_at, updated_at";

const toProduct = (row: ProductRow): z.output<typeof Product> => ({
  id: row.id,
  name: row.name,
  description: row.description,
  price: { amount: row.price_minor, currency: CURRENCY },
  stock: row.stock,
  createdAt: row.created_at.toISOString(),
  updatedAt: row.updated_at.toISOString(),
});

const etagOf = (row: ProductRow) => ({ etag: entityTag(row.version) });

const findProduct = async (database: Database, id: string): Promise<ProductRow | undefined> => {
  const [row] = await database.query<ProductRow>(`SELECT ${COLUMNS} FROM products WHERE id = $1`, [id]);
  return row;
};

const LIST = `SELECT ${COLUMNS} FROM products WHERE ($1::uuid IS NULL OR id > $1) ORDER BY id LIMIT $2`;

/** Products that a search reads for each that it may return, before it asks the index. */
const NEAR = 12;

/**
 * $1 cursor, $2 maximum, $3 text. PostgreSQL cannot estimate how many products have several words, and would read all of them
 * if it expected many but there are few. So a few are read in the order of their ids, which suffices for frequent words; the
 * index finds rare ones.
 */
const SEARCH = `
WITH words AS MATERIALIZED (
  SELECT search_query($3) AS words
), near AS MATERIALIZED (
  SELECT id, search @@ (SELECT words FROM words) AS found FROM products WHERE id > $1 ORDER BY id LIMIT ${NEAR} * $2
), enough AS MATERIALIZED (
  SELECT id FROM near WHERE found LIMIT $2
), others AS MATERIALIZED (
  SELECT id FROM products
  WHERE search @@ (SELECT words FROM words) AND id > $1 AND (SELECT count(*) FROM enough) < $2
)
SELECT ${COLUMNS} FROM products
WHERE id IN (SELECT id FROM enough UNION (SELECT id FROM others ORDER BY id LIMIT $2))
ORDER BY id LIMIT $2`;

/** Less than every other id. */
const NIL = "00000000-0000-0000-0000-000000000000";

export const handleListProducts: Handler<typeof listProducts> = async ({ query }, { database, cursors }) => {
  const after = cursors.open(query.cursor);
  const max = query.limit + 1;
  const rows =
    query.q === undefined
      ? await database.query<ProductRow>(LIST, [after ?? null, max])
      : await database.query<ProductRow>(SEARCH, [after ?? NIL, max, query.q], { plan: "generic" });
  return { status: 200, body: pageOf(rows.map(toProduct), query.limit, cursors) };
};

export const handleGetProduct: Handler<typeof getProduct> = async ({ params }, { database }) => {
  const row = await findProduct(database, params.id);
  if (row === undefined) return problem("not_found");
  return { status: 200, body: toProduct(row), headers: etagOf(row) };
};

export const handleCreateProduct: Handler<typeof createProduct> = async ({ body }, { database, cache }) => {
  const id = uuidv7();
  cache.invalidate(...tagsOf([id]));
  const [row] = await database.query<ProductRow>(
    `INSERT INTO products (id, name, description, price_minor, stock)
     VALUES ($1, $2, $3, $4, $5) RETURNING ${COLUMNS}`,
    [id, body.name, body.description, body.price.amount, body.stock],
  );
  if (row === undefined) throw new Error("an INSERT returned no row");
  return {
    status: 201,
    body: toProduct(row),
    headers: { ...etagOf(row), location: `/v1/products/${row.id}` },
  };
};

export const handleUpdateProduct: Handler<typeof updateProduct> = async (
  { params, headers, body },
  { database, cache },
) => {
  const expected = headers["if-match"];
  if (expected === undefined) {
    return problem("precondition_required", { detail: "Send the product's ETag as If-Match." });
  }
  const row = await findProduct(database, params.id);
  if (row === undefined) return problem("not_found");
  if (!matchHolds(expected, entityTag(row.version))) return problem("precondition_failed");
  // Before the outcome is known: the statement may commit although its response is lost.
  cache.invalidate(...tagsOf([row.id]));
  const tags = strongTags(expected);
  // The condition is evaluated again, which detects a change between the two statements.
  const [changed] = await database.query<ProductRow>(
    `UPDATE products SET name = coalesce($3, name), description = coalesce($4, description),
       price_minor = coalesce($5, price_minor), stock = coalesce($6, stock),
       version = version + 1, updated_at = now()
     WHERE id = $1 AND ($2::text[] IS NULL OR '"' || version || '"' = ANY ($2)) RETURNING ${COLUMNS}`,
    [
      row.id,
      tags === "*" ? null : tags,
      body.name ?? null,
      body.description ?? null,
      body.price?.amount ?? null,
      body.stock ?? null,
    ],
  );
  if (changed === undefined) return problem("precondition_failed");
  return { status: 200, body: toProduct(changed), headers: etagOf(changed) };
};
