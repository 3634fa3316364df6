-- What was done to each task, in the transaction that did it. Rows outlive their task, until they are purged.

CREATE TABLE task_history (
  user_id    text NOT NULL,
  task_id    bigint NOT NULL,
  version    integer NOT NULL,                 -- that the task had then; of a deletion one more than the last
  at         timestamptz NOT NULL,             -- business time
  action     text NOT NULL,                    -- the type of the event that says so
  door       text NOT NULL,                    -- call, event or schedule: what asked for it
  changed    jsonb NOT NULL,                   -- {"title": {"old": "a", "new": "b"}}; {} of what began or ended
  written_at timestamptz NOT NULL DEFAULT clock_timestamp()  -- real time: kept for 90 days from then
);
CREATE INDEX task_history_by_task ON task_history (user_id, task_id, version);
CREATE INDEX task_history_by_age  ON task_history (written_at);

ALTER TABLE task_history ENABLE ROW LEVEL SECURITY;
CREATE POLICY own   ON task_history TO taskmaster_user USING (user_id = taskmaster_caller()) WITH CHECK (user_id = taskmaster_caller());
CREATE POLICY purge ON task_history TO taskmaster_system USING (true) WITH CHECK (true);

-- Retention finds rows by their age alone, and reads nothing of what was changed.
GRANT SELECT, INSERT ON task_history TO taskmaster_user;
GRANT SELECT (ctid, written_at), DELETE ON task_history TO taskmaster_system;
