-- Prices are in minor units (cents). Ids are UUIDs of version 7, made by the program: they sort by time.
CREATE TABLE products (
  id uuid PRIMARY KEY,
  name text NOT NULL,
  description text NOT NULL,
  price_minor integer NOT NULL CHECK (price_minor >= 0),
  stock integer NOT NULL CHECK (stock >= 0),
  version bigint NOT NULL DEFAULT 1,
  created_at timestamptz NOT NULL DEFAULT now(),
  updated_at timestamptz NOT NULL DEFAULT now(),
  search tsvector GENERATED ALWAYS AS (to_tsvector('simple', name || ' ' || description)) STORED
);

CREATE INDEX products_search ON products USING gin (search);

CREATE TABLE orders (
  id uuid PRIMARY KEY,
  principal text NOT NULL,
  status text NOT NULL DEFAULT 'placed' CHECK (status IN ('placed', 'cancelled')),
  total_minor bigint NOT NULL CHECK (total_minor >= 0),
  created_at timestamptz NOT NULL DEFAULT now(),
  cancelled_at timestamptz
);

CREATE INDEX orders_of_principal ON orders (principal, id DESC);

-- A line keeps the name and price that the product had when it was bought.
CREATE TABLE order_lines (
  order_id uuid NOT NULL REFERENCES orders (id),
  position integer NOT NULL,
  product_id uuid NOT NULL REFERENCES products (id),
  name text NOT NULL,
  quantity integer NOT NULL CHECK (quantity > 0),
  unit_price_minor integer NOT NULL CHECK (unit_price_minor >= 0),
  PRIMARY KEY (order_id, position)
);

CREATE INDEX order_lines_of_product ON order_lines (product_id);
