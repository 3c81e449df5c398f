-- API keys: of the secret only its SHA-256 is kept.
CREATE TABLE api_keys (
  id text PRIMARY KEY,
  hash text NOT NULL,
  principal text NOT NULL,
  name text NOT NULL,
  scopes text[] NOT NULL,
  created_at timestamptz NOT NULL DEFAULT now(),
  expires_at timestamptz,
  revoked_at timestamptz
);

-- What is published to Redis, and which version of it is the present one.
CREATE TABLE published_snapshots (
  name text PRIMARY KEY,
  epoch uuid NOT NULL DEFAULT gen_random_uuid(),
  version bigint NOT NULL
);

INSERT INTO published_snapshots (name, version) VALUES ('keys', 1);
