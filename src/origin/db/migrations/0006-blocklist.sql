-- Clients that the edge refuses, each a single address or a range; what has expired blocks nobody, and is removed in time.
CREATE TABLE blocklist (
  id uuid PRIMARY KEY,
  network cidr NOT NULL UNIQUE,
  reason text NOT NULL,
  source text NOT NULL CHECK (source IN ('operator', 'automatic')),
  created_at timestamptz NOT NULL DEFAULT now(),
  expires_at timestamptz
);

CREATE INDEX blocklist_expiry ON blocklist (expires_at) WHERE expires_at IS NOT NULL;

-- Whose security events score, until they are blocked for a time.
CREATE TABLE offenders (
  network cidr PRIMARY KEY,
  score double precision NOT NULL DEFAULT 0,
  scored_at timestamptz NOT NULL DEFAULT now(),
  blocks integer NOT NULL DEFAULT 0,
  last_blocked_at timestamptz
);

CREATE INDEX offenders_age ON offenders (scored_at);

INSERT INTO published_snapshots (name, version) VALUES ('blocklist', 1);
