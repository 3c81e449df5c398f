-- Other numbers for one principal than a limit of the contract has. NaN is more than infinity to PostgreSQL.
CREATE TABLE limit_overrides (
  limit_name text NOT NULL,
  principal text NOT NULL,
  capacity double precision NOT NULL CHECK (capacity > 0 AND capacity < 'Infinity'),
  refill_per_second double precision NOT NULL CHECK (refill_per_second > 0 AND refill_per_second < 'Infinity'),
  changed_at timestamptz NOT NULL DEFAULT now(),
  PRIMARY KEY (limit_name, principal)
);

INSERT INTO published_snapshots (name, version) VALUES ('limits', 1);
