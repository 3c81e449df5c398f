/** The shop of every peer: the origin's SELECT, and the usual transaction. */
import { v7 as uuidv7 } from "uuid";

/** The principal of all orders. */
const PRINCIPAL = "bench";
const CURRENCY = "EUR";

const SELECT_PRODUCT =
  "SELECT id, name, description, price_minor, stock, version, created_at, updated_at FROM products WHERE id = $1";

const LOCK_PRODUCTS =
  "SELECT id, name, price_minor, stock FROM products WHERE id = ANY($1::uuid[]) ORDER BY id FOR UPDATE";

const TAKE_STOCK = `
  UPDATE products p SET stock = p.stock - l.quantity, version = p.version + 1, updated_at = now()
  FROM unnest($1::uuid[], $2::int[]) AS l (id, quantity) WHERE p.id = l.id`;

const INSERT_ORDER =
  "INSERT INTO orders (id, principal, total_minor) VALUES ($1, $2, $3) RETURNING created_at";

const INSERT_LINES = `
  INSERT INTO order_lines (order_id, position, product_id, name, quantity, unit_price_minor)
  SELECT $1, * FROM unnest($2::int[], $3::uuid[], $4::text[], $5::int[], $6::int[])`;

const toProduct = (row) => ({
  id: row.id,
  name: row.name,
  description: row.description,
  price: { amount: row.price_minor, currency: CURRENCY },
  stock: row.stock,
  createdAt: row.created_at.toISOString(),
  updatedAt: row.updated_at.toISOString(),
});

/**
 * @param {import("pg").Pool} pool
 * @param {string} id
 * @returns {Promise<object | undefined>} undefined if there is no such product
 */
export const findProduct = async (pool, id) => {
  const { rows } = await pool.query(SELECT_PRODUCT, [id]);
  return rows[0] === undefined ? undefined : toProduct(rows[0]);
};

/**
 * The same from a Map that is never emptied.
 *
 * @param {(id: string) => Promise<object | undefined>} find
 */
export const cached = (find) => {
  const products = new Map();
  const load = async (id) => {
    const product = await find(id);
    if (product !== undefined) products.set(id, product);
    return product;
  };
  return (id) => products.get(id) ?? load(id);
};

/** An order for a product that does not exist or has too little stock. */
export class Unavailable extends Error {
  status = 409;
}

const priced = (lines, rows) =>
  lines.map(({ productId, quantity }) => {
    const row = rows.find(({ id }) => id === productId);
    if (row === undefined || row.stock < quantity) throw new Unavailable(`unavailable: ${productId}`);
    return {
      productId,
      name: row.name,
      quantity,
      unitPrice: { amount: row.price_minor, currency: CURRENCY },
    };
  });

/**
 * Takes the stock of every line or of none, in one transaction.
 *
 * @param {import("pg").Pool} pool
 * @param {readonly { productId: string, quantity: number }[]} lines
 * @throws {Unavailable} if a line is unavailable
 */
export const placeOrder = async (pool, lines) => {
  const client = await pool.connect();
  try {
    await client.query("BEGIN");
    const ids = lines.map(({ productId }) => productId);
    const quantities = lines.map(({ quantity }) => quantity);
    const { rows } = await client.query(LOCK_PRODUCTS, [ids]);
    const taken = priced(lines, rows);
    const total = taken.reduce((sum, { quantity, unitPrice }) => sum + quantity * unitPrice.amount, 0);
    await client.query(TAKE_STOCK, [ids, quantities]);
    const id = uuidv7();
    const inserted = await client.query(INSERT_ORDER, [id, PRINCIPAL, total]);
    await client.query(INSERT_LINES, [
      id,
      lines.map((_, index) => index + 1),
      ids,
      taken.map(({ name }) => name),
      quantities,
      taken.map(({ unitPrice }) => unitPrice.amount),
    ]);
    await client.query("COMMIT");
    return {
      id,
      status: "placed",
      lines: taken,
      total: { amount: total, currency: CURRENCY },
      createdAt: inserted.rows[0].created_at.toISOString(),
      cancelledAt: null,
    };
  } catch (error) {
    await client.query("ROLLBACK");
    throw error;
  } finally {
    client.release();
  }
};
