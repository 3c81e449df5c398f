-- Background jobs: when each runs next, and which process runs it now.
CREATE TABLE background_jobs (
  name text PRIMARY KEY,
  schedule text NOT NULL,
  next_at timestamptz NOT NULL,
  holder uuid,
  held_until timestamptz
);
