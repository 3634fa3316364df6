-- What was handled, and what is still to be published. Both rows of an invocation commit with the state they speak of.

CREATE TABLE inbox (
  function    text NOT NULL,
  user_id     text NOT NULL,                   -- '' until a wrapped record is decoded
  source      text NOT NULL,
  id          text NOT NULL,
  digest      bytea NOT NULL,                  -- of the command: the same id with another command is refused
  attempts    integer NOT NULL DEFAULT 1,
  status      smallint,                        -- NULL: not answered yet
  answer      jsonb,
  received_at timestamptz NOT NULL DEFAULT now(),
  expires_at  timestamptz NOT NULL,            -- real time: 8 days for events, 24 hours for HTTP
  PRIMARY KEY (function, user_id, source, id)
);
CREATE INDEX inbox_by_expiry ON inbox (expires_at);

CREATE TABLE outbox (
  id         bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
  key        text NOT NULL,
  topics     text[] NOT NULL,
  headers    jsonb NOT NULL,
  value      bytea NOT NULL,
  created_at timestamptz NOT NULL DEFAULT clock_timestamp()
) WITH (autovacuum_vacuum_scale_factor = 0, autovacuum_vacuum_threshold = 5000);
CREATE INDEX outbox_by_key ON outbox (key, id);

ALTER TABLE inbox  ENABLE ROW LEVEL SECURITY;
ALTER TABLE outbox ENABLE ROW LEVEL SECURITY;
CREATE POLICY own     ON inbox  TO taskmaster_user   USING (user_id = taskmaster_caller()) WITH CHECK (user_id = taskmaster_caller());
CREATE POLICY leave   ON outbox FOR INSERT TO taskmaster_user WITH CHECK (taskmaster_caller() IS NOT NULL);
CREATE POLICY handled ON inbox  TO taskmaster_system USING (true) WITH CHECK (true);
CREATE POLICY publish ON outbox TO taskmaster_system USING (true) WITH CHECK (true);

GRANT SELECT, INSERT, UPDATE ON inbox TO taskmaster_user;
GRANT INSERT ON outbox TO taskmaster_user;
GRANT SELECT, INSERT, UPDATE, DELETE ON inbox, outbox TO taskmaster_system;
