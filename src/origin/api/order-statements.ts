/**
 * The two statements that move stock. Each is one statement and so one transaction and one round trip.
 * Both lock the products they touch in the order of their ids, so that they never wait for each other in a
 * circle; a locked row is read in its latest version, so that no two orders take the same piece.
 */

/** $1 order's id, $2 principal, $3 products' ids, $4 quantities. All lines are taken or none is. */
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

/** $1 order's id, $2 principal. One row where the order was cancelled, else none. */
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
