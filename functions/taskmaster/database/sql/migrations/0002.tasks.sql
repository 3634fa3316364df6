-- Tasks, and the series that recurring ones belong to.

CREATE FUNCTION taskmaster_caller() RETURNS text LANGUAGE sql STABLE PARALLEL SAFE
  RETURN nullif(current_setting('taskmaster.user_id', true), '');  -- '' after a transaction that set it: nobody

CREATE SEQUENCE task_id AS bigint;

CREATE TABLE series (
  series_id          bigint PRIMARY KEY,       -- the id of the task that began it
  user_id            text NOT NULL,
  recurrence_pattern text NOT NULL,
  recurrence_from    text NOT NULL CHECK (recurrence_from IN ('due', 'completion')),
  time_zone          text NOT NULL,
  starts_at          timestamp,                -- wall time in time_zone, for tasks due at a moment
  starts_on          date,                     -- for tasks due on a day
  anchor             integer NOT NULL,         -- position of that start in the rule
  template           jsonb NOT NULL,           -- what each occurrence is made with
  head               integer NOT NULL,         -- number of the open, or last completed, occurrence
  position           integer NOT NULL,         -- of the head in the rule, jumped ones included: what COUNT counts
  previous_position  integer NOT NULL,         -- where a withdrawn head leaves the series
  paused_at          timestamptz,
  ended_at           timestamptz,
  CHECK (num_nonnulls(starts_at, starts_on) = 1)
);

CREATE TABLE task (
  task_id            bigint PRIMARY KEY,
  user_id            text NOT NULL,
  title              text NOT NULL CHECK (length(title) BETWEEN 1 AND 500),
  description        text,
  completed          boolean NOT NULL,
  priority           text NOT NULL CHECK (priority IN ('low', 'medium', 'high', 'urgent')),
  tags               text[] NOT NULL,
  due_at             timestamptz,
  due_on             date,
  time_zone          text NOT NULL,
  deadline           timestamptz,              -- due_at, or the end of due_on in time_zone: what "overdue" and sorting mean
  recurrence_pattern text,
  recurrence_from    text NOT NULL CHECK (recurrence_from IN ('due', 'completion')),
  recurrence_paused  boolean NOT NULL,         -- its completion is not followed by another occurrence for now
  series_id          bigint REFERENCES series,
  occurrence         integer,
  version            integer NOT NULL,
  created_at         timestamptz NOT NULL,
  updated_at         timestamptz NOT NULL,
  completed_at       timestamptz,
  CHECK (num_nonnulls(due_at, due_on) < 2),
  CHECK (completed = (completed_at IS NOT NULL)),
  CHECK ((series_id IS NULL) = (occurrence IS NULL)),
  UNIQUE (series_id, occurrence)
);

-- Never two open occurrences of one series, whatever is delivered how often.
CREATE UNIQUE INDEX task_one_open_occurrence ON task (series_id) WHERE NOT completed;

CREATE INDEX task_by_creation ON task (user_id, created_at, task_id);
CREATE INDEX task_by_update   ON task (user_id, updated_at, task_id);
CREATE INDEX task_by_deadline ON task (user_id, coalesce(deadline, 'infinity'), task_id);

ALTER TABLE task   ENABLE ROW LEVEL SECURITY;
ALTER TABLE series ENABLE ROW LEVEL SECURITY;
CREATE POLICY own ON task   TO taskmaster_user USING (user_id = taskmaster_caller()) WITH CHECK (user_id = taskmaster_caller());
CREATE POLICY own ON series TO taskmaster_user USING (user_id = taskmaster_caller()) WITH CHECK (user_id = taskmaster_caller());

GRANT USAGE ON SEQUENCE task_id TO taskmaster_user;
GRANT SELECT, INSERT, UPDATE, DELETE ON task, series TO taskmaster_user;
