-- When a function that a PingSource wakes by the hour last began its work: whether anybody looks after the rest.
CREATE TABLE tick (
  function text PRIMARY KEY,
  at       timestamptz NOT NULL                -- real time
);
INSERT INTO tick (function, at) VALUES ('relay-outbox', now());  -- counts from the installation
ALTER TABLE tick ENABLE ROW LEVEL SECURITY;
CREATE POLICY look_after ON tick TO taskmaster_system USING (true) WITH CHECK (true);
GRANT SELECT, INSERT, UPDATE ON tick TO taskmaster_system;
