/**
 * The statements of the previous level's shop, whose processes run on the new schema during a rolling update. Each new level
 * replaces this file with the statements of the level before it.
 */

/** The migrations of the release. */
export const LEVEL = ["platform/0001-api-keys", "platform/0002-idempotency", "api/0001-shop"];

const PRODUCT = "id, name, description, price_minor, stock, version, created_at, updated_at";

export const LIST_PRODUCTS = `SELECT ${PRODUCT} FROM products
  WHERE ($1::uuid IS NULL OR id > $1) AND ($2::text IS NULL OR search @@ to_tsquery('simple', $2))
  ORDER BY id LIMIT $3`;

export const FIND_PRODUCT = `SELECT ${PRODUCT} FROM products WHERE id = $1`;

export const INSERT_PRODUCT = `INSERT INTO products (id, name, description, price_minor, stock)
  VALUES ($1, $2, $3, $4, $5) RETURNING ${PRODUCT}`;

export const UPDATE_PRODUCT = `UPDATE products SET name = coalesce($3, name), description = coalesce($4, description),
    price_minor = coalesce($5, price_minor), stock = coalesce($6, stock),
    version = version + 1, updated_at = now()
  WHERE id = $1 AND version = $2 RETURNING ${PRODUCT}`;

export const FIND_ORDER = `SELECT o.id, o.status, o.total_minor, o.created_at, o.cancelled_at,
    (SELECT json_agg(l ORDER BY l.position) FROM order_lines l WHERE l.order_id = o.id) AS lines
  FROM orders o WHERE o.id = $1 AND o.principal = $2`;

export const PLACE_ORDER = `
WITH wanted AS (
  SELECT product_id, quantity, position
  FROM unnest($3::uuid[], $4::int[]) WITH ORDINALITY AS w (product_id, quantity, position)
), locked AS (
  SELECT p.id, p.name, p.price_minor, p.stock
  FROM products p WHERE p.id = ANY ($3::uuid[])
  ORDER BY p.id FOR UPDATE
), line AS (
  SELECT w.position::int, w.quantity, l.id, l.name, l.price_minor, l.stock
  FROM wanted w LEFT JOIN locked l ON l.id = w.product_id
), verdict AS (
  SELECT bool_and(coalesce(stock >= quantity, false)) AS placed FROM line
), taken AS (
  UPDATE products p
  SET stock = p.stock - line.quantity, version = p.version + 1, updated_at = now()
  FROM line, verdict WHERE p.id = ANY ($3::uuid[]) AND p.id = line.id AND verdict.placed
  RETURNING p.id
), placed AS (
  INSERT INTO orders (id, principal, total_minor)
  SELECT $1, $2, (SELECT sum(quantity::bigint * price_minor) FROM line) FROM verdict WHERE placed
  RETURNING created_at
), kept AS (
  INSERT INTO order_lines (order_id, position, product_id, name, quantity, unit_price_minor)
  SELECT $1, position, id, name, quantity, price_minor FROM line, verdict WHERE verdict.placed
)
SELECT position, quantity, name, price_minor, stock, (SELECT created_at FROM placed) AS created_at
FROM line ORDER BY position`;

/** $1 order's id, $2 principal. One row where the order was canceled, else none. */
export const CANCEL_ORDER = `
WITH cancelled AS (
  UPDATE orders SET status = 'cancelled', cancelled_at = now()
  WHERE id = $1 AND principal = $2 AND status = 'placed'
  RETURNING id, cancelled_at
), line AS (
  SELECT product_id, quantity FROM order_lines WHERE order_id IN (SELECT id FROM cancelled)
), locked AS (
  SELECT p.id FROM products p WHERE p.id IN (SELECT product_id FROM line) ORDER BY p.id FOR UPDATE
), returned AS (
  UPDATE products p
  SET stock = p.stock + line.quantity, version = p.version + 1, updated_at = now()
  FROM locked, line WHERE p.id = locked.id AND p.id = line.product_id
)
SELECT cancelled_at FROM cancelled`;
