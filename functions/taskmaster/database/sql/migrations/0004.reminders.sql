-- Reminders, what their users prefer, and the one row that says which moment the dispatcher has seen to.

CREATE TABLE preferences (
  user_id     text PRIMARY KEY,
  time_zone   text NOT NULL,
  day_hour    text NOT NULL,                   -- wall time HH:MM in a task's zone: reminders of what is due on a day
  quiet_hours jsonb,                           -- {"start": "22:00", "end": "07:00"} in time_zone
  channels    jsonb NOT NULL                   -- with the secrets of webhooks: never shown, logged or sent in an event
);

ALTER TABLE task ADD COLUMN reminders     text[];       -- NULL: one at the due time, or at the day's hour
ALTER TABLE task ADD COLUMN snoozed_until timestamptz;

CREATE TABLE reminder (
  reminder_id uuid PRIMARY KEY,                -- the webhook-id: the same over all retries
  task_id     bigint NOT NULL REFERENCES task ON DELETE CASCADE,
  user_id     text NOT NULL,
  moment      timestamptz NOT NULL,            -- when it is meant to ring
  due_at      timestamptz NOT NULL,            -- when it is to be fired next: later than moment where it was held back
  fired_at    timestamptz,                     -- reminder.due is in the outbox, business time; NULL: armed
  attempts    integer NOT NULL DEFAULT 0,      -- rounds of delivery that were ended
  outcomes    jsonb NOT NULL DEFAULT '{}',     -- by channel: {"outcome": "delivered" | "failed" | "later", "detail": ...}
  closed_at   timestamptz,                     -- sent or failed for good, real time: what retention goes by
  UNIQUE (task_id, moment)
);
CREATE INDEX reminder_armed ON reminder (due_at) WHERE fired_at IS NULL AND closed_at IS NULL;
CREATE INDEX reminder_closed ON reminder (closed_at) WHERE closed_at IS NOT NULL;

-- Reminders before this moment have to be announced to the dispatcher; those after it will be seen when it looks then.
-- Read under a shared, written under an exclusive transaction-level advisory lock, so that none falls in between.
CREATE TABLE alarm (
  only_one boolean PRIMARY KEY DEFAULT true CHECK (only_one),
  next_at  timestamptz                         -- business time; NULL or past: nobody looks, so announce everything
);
INSERT INTO alarm DEFAULT VALUES;

ALTER TABLE preferences ENABLE ROW LEVEL SECURITY;
ALTER TABLE reminder    ENABLE ROW LEVEL SECURITY;
CREATE POLICY own ON preferences TO taskmaster_user USING (user_id = taskmaster_caller()) WITH CHECK (user_id = taskmaster_caller());
CREATE POLICY own ON reminder    TO taskmaster_user USING (user_id = taskmaster_caller()) WITH CHECK (user_id = taskmaster_caller());
CREATE POLICY dispatch ON reminder TO taskmaster_system USING (true) WITH CHECK (true);

-- The tasks of reminders that are due, locked, without those in other hands: all that the system's login, which sees no
-- task, needs of them. They are told in reminder.due.
CREATE FUNCTION lock_tasks_to_remind_of(at timestamptz, most integer) RETURNS SETOF task
  LANGUAGE sql VOLATILE SECURITY DEFINER SET search_path FROM CURRENT AS $$
  SELECT t FROM task t
   WHERE task_id IN (SELECT r.task_id FROM reminder r WHERE r.fired_at IS NULL AND r.closed_at IS NULL AND r.due_at <= at
                      ORDER BY r.due_at LIMIT most)
   ORDER BY task_id FOR UPDATE SKIP LOCKED
$$;
REVOKE ALL ON FUNCTION lock_tasks_to_remind_of FROM PUBLIC;
GRANT EXECUTE ON FUNCTION lock_tasks_to_remind_of TO taskmaster_system;

GRANT SELECT, INSERT, UPDATE ON preferences TO taskmaster_user;
GRANT SELECT, INSERT, UPDATE, DELETE ON reminder TO taskmaster_user;
GRANT SELECT ON alarm TO taskmaster_user;
GRANT SELECT, UPDATE, DELETE ON reminder TO taskmaster_system;
GRANT SELECT, UPDATE ON alarm TO taskmaster_system;
