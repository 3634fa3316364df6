-- No user waits for another one's rows: dispatch and publishing take turns by user, and look past what is locked.

-- Which users have a reminder armed in which second: dispatch steps from one to the next, past any number of one user's.
CREATE INDEX reminder_turn ON reminder (date_bin('1 second', due_at, '2000-01-01 00:00:00+00'), user_id, due_at)
  WHERE fired_at IS NULL AND closed_at IS NULL;
-- What was fired leaves dead entries in front of what is due next: vacuum comes before they cost anything.
ALTER TABLE reminder SET (autovacuum_vacuum_scale_factor = 0.02, autovacuum_vacuum_threshold = 5000);

-- Whose event a row is, for turns by user. Written by nobody: the envelope says it.
ALTER TABLE outbox ADD COLUMN user_id text NOT NULL GENERATED ALWAYS AS (coalesce(headers ->> 'ce_userid', '')) STORED;
CREATE INDEX outbox_by_user ON outbox (user_id, id);

-- Whether business time may be moved here, as a laptop does (CLOCK_OFFSET_FILE). `taskmaster migrate` writes it. Where it
-- may not, no moment that the system's login gives counts for more than the database's own clock.
CREATE TABLE clock (
  only_one     boolean PRIMARY KEY DEFAULT true CHECK (only_one),
  may_be_moved boolean NOT NULL DEFAULT false
);
INSERT INTO clock DEFAULT VALUES;
ALTER TABLE clock ENABLE ROW LEVEL SECURITY;

-- A user whose reminders still have to follow a new day_hour, and how far they have come. One task after the other
-- follows in short transactions; `ticket` names the one row of events that does it.
CREATE TABLE reminder_move (
  user_id    text PRIMARY KEY,
  ticket     uuid NOT NULL,
  after_task bigint NOT NULL DEFAULT 0,        -- the reminders of tasks up to this id follow the hour already
  asked_at   timestamptz NOT NULL,             -- business time: what passed since then rings late
  moved_at   timestamptz NOT NULL DEFAULT now() -- real time of the last step: one that stands still may be replaced
);
ALTER TABLE reminder_move ENABLE ROW LEVEL SECURITY;
CREATE POLICY own ON reminder_move TO taskmaster_user USING (user_id = taskmaster_caller()) WITH CHECK (user_id = taskmaster_caller());
GRANT SELECT, INSERT, UPDATE, DELETE ON reminder_move TO taskmaster_user;
CREATE INDEX task_due_on_a_day ON task (user_id, task_id) WHERE due_on IS NOT NULL AND NOT completed;
