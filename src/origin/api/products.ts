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
import { entityTag, matchHolds } from "../../lib/http.ts";
import { pageOf } from "../cursors.ts";
import type { Database } from "../db/database.ts";
import type { Handler } from "../handler.ts";

/** The tags under which answers with these products are cached: each one's own, and that of the lists. */
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

/** Every word of the text as the beginning of a word, for `to_tsquery`; null where the text holds no word. */
const prefixQuery = (text: string): string | null =>
  text
    .match(/[\p{L}\p{N}]+/gu)
    ?.map((word) => `${word}:*`)
    .join(" & ") ?? null;

export const handleListProducts: Handler<typeof listProducts> = async ({ query }, { database, cursors }) => {
  const words = query.q === undefined ? null : prefixQuery(query.q);
  if (query.q !== undefined && words === null) return { status: 200, body: { items: [], nextCursor: null } };
  const rows = await database.query<ProductRow>(
    `SELECT ${COLUMNS} FROM products
     WHERE ($1::uuid IS NULL OR id > $1) AND ($2::text IS NULL OR search @@ to_tsquery('simple', $2))
     ORDER BY id LIMIT $3`,
    [cursors.open(query.cursor) ?? null, words, query.limit + 1],
  );
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
    `INSERT INTO products (id, name, description, price_minor, stock) VALUES ($1, $2, $3, $4, $5) RETURNING ${COLUMNS}`,
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
  // Before it is known whether it was changed: an answer that is lost on its way says nothing.
  cache.invalidate(...tagsOf([row.id]));
  // The version that was compared is named again, so that a change between the two statements is seen.
  const [changed] = await database.query<ProductRow>(
    `UPDATE products SET name = coalesce($3, name), description = coalesce($4, description),
       price_minor = coalesce($5, price_minor), stock = coalesce($6, stock),
       version = version + 1, updated_at = now()
     WHERE id = $1 AND version = $2 RETURNING ${COLUMNS}`,
    [
      row.id,
      row.version,
      body.name ?? null,
      body.description ?? null,
      body.price?.amount ?? null,
      body.stock ?? null,
    ],
  );
  if (changed === undefined) return problem("precondition_failed");
  return { status: 200, body: toProduct(changed), headers: etagOf(changed) };
};
