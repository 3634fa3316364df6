-- What runs with the owner's rights, and what the system's login may read.

-- Up to `most` reminders that are due at a moment of business time, each with what reminder.due tells of its task, the
-- tasks locked. The caller, who sees no task otherwise, gets nothing that is not due by the database's own clock, unless
-- business time may be moved here.
--
-- Users take turns: everybody's first, then everybody's second, and so on. Of the oldest 1,000 that are due the turns are
-- taken, and where these belong to a few, whoever stands behind them is found by steps from user to user. Tasks in other
-- hands are passed over, not counted: what is fired is `most` that can be had.
DO $migration$ BEGIN
  EXECUTE replace($definition$
CREATE FUNCTION @schema.lock_due_reminders(until timestamptz, most integer)
RETURNS TABLE (reminder_id uuid, user_id text, task_id bigint, title text, description text, completed boolean, priority text,
               tags text[], due_at timestamptz, due_on date, time_zone text, reminders text[], snoozed_until timestamptz,
               recurrence_pattern text, recurrence_from text, recurrence_paused boolean, series_id bigint,
               occurrence integer, version integer, created_at timestamptz, updated_at timestamptz,
               completed_at timestamptz)
LANGUAGE sql VOLATILE SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
SET enable_seqscan = off SET enable_hashjoin = off SET enable_mergejoin = off SET jit = off
AS $body$
  WITH RECURSIVE
  bound AS MATERIALIZED (
    SELECT CASE WHEN c.may_be_moved THEN until ELSE least(until, clock_timestamp()) END AS at FROM @schema.clock c),
  oldest AS MATERIALIZED (
    SELECT r.reminder_id, r.task_id, r.user_id, r.due_at FROM @schema.reminder r
     WHERE r.fired_at IS NULL AND r.closed_at IS NULL AND r.due_at <= (SELECT at FROM bound)
     ORDER BY r.due_at LIMIT 1000),
  step AS (
    (SELECT date_bin('1 second', r.due_at, '2000-01-01 00:00:00+00') AS second, r.user_id FROM @schema.reminder r
      WHERE r.fired_at IS NULL AND r.closed_at IS NULL
        AND (SELECT count(*) = 1000 AND count(DISTINCT o.user_id) < most FROM oldest o)
      ORDER BY date_bin('1 second', r.due_at, '2000-01-01 00:00:00+00'), r.user_id LIMIT 1)
    UNION ALL
    SELECT beyond.second, beyond.user_id FROM step, LATERAL (
      SELECT date_bin('1 second', r.due_at, '2000-01-01 00:00:00+00') AS second, r.user_id FROM @schema.reminder r
       WHERE r.fired_at IS NULL AND r.closed_at IS NULL
         AND (date_bin('1 second', r.due_at, '2000-01-01 00:00:00+00'), r.user_id) > (step.second, step.user_id)
         AND date_bin('1 second', r.due_at, '2000-01-01 00:00:00+00') <= (SELECT at FROM bound)
       ORDER BY date_bin('1 second', r.due_at, '2000-01-01 00:00:00+00'), r.user_id LIMIT 1) AS beyond),
  hidden AS (
    SELECT s.user_id, min(s.second) AS second FROM (SELECT * FROM step LIMIT 20000) AS s
     GROUP BY s.user_id ORDER BY min(s.second) LIMIT most),
  candidate AS (
    SELECT * FROM oldest
    UNION
    SELECT first.* FROM hidden, LATERAL (
      SELECT r.reminder_id, r.task_id, r.user_id, r.due_at FROM @schema.reminder r
       WHERE r.fired_at IS NULL AND r.closed_at IS NULL
         AND date_bin('1 second', r.due_at, '2000-01-01 00:00:00+00') = hidden.second AND r.user_id = hidden.user_id
         AND r.due_at <= (SELECT at FROM bound)
       ORDER BY r.due_at LIMIT 10) AS first)
  SELECT q.reminder_id, t.user_id, t.task_id, t.title, t.description, t.completed, t.priority, t.tags, t.due_at, t.due_on,
         t.time_zone, t.reminders, t.snoozed_until, t.recurrence_pattern, t.recurrence_from, t.recurrence_paused,
         t.series_id, t.occurrence, t.version, t.created_at, t.updated_at, t.completed_at
    FROM (SELECT c.reminder_id, c.task_id, c.due_at,
                 row_number() OVER (PARTITION BY c.user_id ORDER BY c.due_at, c.reminder_id) AS turn
            FROM candidate c ORDER BY turn, c.due_at, c.reminder_id) AS q
    JOIN @schema.task t ON t.task_id = q.task_id
   ORDER BY q.turn, q.due_at, q.reminder_id LIMIT most FOR UPDATE OF t SKIP LOCKED
$body$
$definition$, '@schema', quote_ident(current_schema()));

  -- For functions of the release before this one, while they are being replaced: the same rows by the same rule.
  EXECUTE replace($definition$
CREATE OR REPLACE FUNCTION @schema.lock_tasks_to_remind_of(at timestamptz, most integer) RETURNS SETOF @schema.task
LANGUAGE sql VOLATILE SECURITY DEFINER SET search_path = pg_catalog, pg_temp
AS $body$
  SELECT t FROM @schema.task t
   WHERE t.task_id IN (SELECT d.task_id FROM @schema.lock_due_reminders(at, most) AS d)
$body$
$definition$, '@schema', quote_ident(current_schema()));
END $migration$;
REVOKE ALL ON FUNCTION lock_due_reminders, lock_tasks_to_remind_of FROM PUBLIC;
GRANT EXECUTE ON FUNCTION lock_due_reminders TO taskmaster_system;

-- Dispatch marks reminders and retention deletes them: neither reads how a delivery went.
REVOKE ALL ON reminder FROM taskmaster_system;
GRANT SELECT (reminder_id, task_id, user_id, moment, due_at, fired_at, closed_at), UPDATE (fired_at, closed_at), DELETE
  ON reminder TO taskmaster_system;
