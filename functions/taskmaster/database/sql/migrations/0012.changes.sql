-- What changed, for clients that keep a copy: the transaction that last wrote each task, and the tasks that are gone.
-- Triggers do it, and no query: code of the release before goes on, and no change of its is missed.

-- What is there counts as written before every transaction. A constant default: the table is not rewritten.
ALTER TABLE task ADD COLUMN changed_in xid8 NOT NULL DEFAULT '0';
ALTER TABLE task ALTER COLUMN changed_in SET DEFAULT pg_current_xact_id();

CREATE TABLE deleted_task (
  task_id    bigint NOT NULL,
  user_id    text NOT NULL,
  version    integer NOT NULL,                 -- one more than the last that the task had
  changed_in xid8 NOT NULL DEFAULT pg_current_xact_id(),
  deleted_at timestamptz NOT NULL DEFAULT clock_timestamp(),  -- real time: kept for 30 days from then
  PRIMARY KEY (user_id, changed_in, task_id)
);
CREATE INDEX deleted_task_by_age ON deleted_task (deleted_at);

-- What a cursor is held against. It counts transactions, and means nothing to a database that counts others: the query
-- adds to `epoch` what no dump takes along. An operator who takes a database back in place changes it.
CREATE TABLE change_feed (
  only_one     boolean PRIMARY KEY DEFAULT true CHECK (only_one),
  epoch        uuid NOT NULL DEFAULT gen_random_uuid(),
  purged_up_to xid8 NOT NULL DEFAULT '0'       -- deletions up to this transaction may be gone
);
INSERT INTO change_feed DEFAULT VALUES;

CREATE FUNCTION note_change() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  NEW.changed_in := pg_catalog.pg_current_xact_id();
  RETURN NEW;
END $$;
DO $migration$ BEGIN
  EXECUTE replace($definition$
CREATE FUNCTION @schema.note_deletion() RETURNS trigger LANGUAGE plpgsql AS $body$
BEGIN
  INSERT INTO @schema.deleted_task (task_id, user_id, version) VALUES (OLD.task_id, OLD.user_id, OLD.version + 1);
  RETURN NULL;
END $body$
$definition$, '@schema', quote_ident(current_schema()));
END $migration$;

-- Only what people see as a change: a text that is folded, or a row that is moved, is none.
CREATE TRIGGER note_change BEFORE UPDATE ON task FOR EACH ROW WHEN (NEW.version <> OLD.version)
  EXECUTE FUNCTION note_change();
CREATE TRIGGER note_deletion AFTER DELETE ON task FOR EACH ROW EXECUTE FUNCTION note_deletion();

ALTER TABLE deleted_task ENABLE ROW LEVEL SECURITY;
ALTER TABLE change_feed  ENABLE ROW LEVEL SECURITY;
CREATE POLICY own   ON deleted_task TO taskmaster_user USING (user_id = taskmaster_caller()) WITH CHECK (user_id = taskmaster_caller());
CREATE POLICY purge ON deleted_task TO taskmaster_system USING (true) WITH CHECK (true);
CREATE POLICY read  ON change_feed  FOR SELECT TO taskmaster_user USING (true);
CREATE POLICY purge ON change_feed  TO taskmaster_system USING (true) WITH CHECK (true);

GRANT SELECT, INSERT ON deleted_task TO taskmaster_user;
GRANT SELECT, DELETE ON deleted_task TO taskmaster_system;
GRANT SELECT ON change_feed TO taskmaster_user;
GRANT SELECT, UPDATE (purged_up_to) ON change_feed TO taskmaster_system;
