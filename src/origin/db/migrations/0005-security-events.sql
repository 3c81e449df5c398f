-- Security events on their way to the sinks: a row for each event and sink, gone once the sink has taken it.
CREATE TABLE security_event_outbox (
  event_id uuid NOT NULL,
  sink text NOT NULL,
  event jsonb NOT NULL,
  attempts integer NOT NULL DEFAULT 0,
  next_attempt_at timestamptz NOT NULL DEFAULT now(),
  enqueued_at timestamptz NOT NULL DEFAULT now(),
  -- Set where nobody tries again.
  dead_at timestamptz,
  last_error text,
  PRIMARY KEY (event_id, sink)
);

CREATE INDEX security_event_outbox_due ON security_event_outbox (sink, next_attempt_at) WHERE dead_at IS NULL;
CREATE INDEX security_event_outbox_age ON security_event_outbox (enqueued_at) WHERE dead_at IS NULL;
CREATE INDEX security_event_outbox_dead ON security_event_outbox (dead_at) WHERE dead_at IS NOT NULL;
