-- Answers to requests with an Idempotency-Key. `answer` is set before the transaction that claims the key ends.
CREATE TABLE idempotency_records (
  principal text NOT NULL,
  key text NOT NULL,
  fingerprint text NOT NULL,
  answer text,
  expires_at timestamptz NOT NULL,
  PRIMARY KEY (principal, key)
);

CREATE INDEX idempotency_records_expiry ON idempotency_records (expires_at);
