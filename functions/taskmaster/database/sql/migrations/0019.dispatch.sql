-- Dispatch in less time, and a reminder in fewer round trips.

-- Raises serialization_failure where something changed since it was read, so that a transaction of one message, which
-- nobody can end in the middle, commits nothing.
CREATE FUNCTION must_hold(holds boolean) RETURNS void LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS $$
BEGIN
  IF holds IS NOT TRUE THEN
    RAISE EXCEPTION 'it changed meanwhile, and is tried again' USING ERRCODE = 'serialization_failure';
  END IF;
END $$;
REVOKE ALL ON FUNCTION must_hold FROM PUBLIC;
GRANT EXECUTE ON FUNCTION must_hold TO taskmaster_user;

-- As in 0009.under_way.sql, but that the oldest that are due keep what room their users have: to find it for each of a
-- thousand by a join, which may not be hashed here, took most of the time.
DO $migration$ BEGIN
  EXECUTE replace($definition$
CREATE OR REPLACE FUNCTION @schema.lock_due_reminders(until timestamptz, most integer)
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
    SELECT CASE WHEN c.may_be_moved THEN until ELSE least(until, clock_timestamp()) END AS at,
           nullif(current_setting('taskmaster.stale_by', true), '')::timestamptz AS stale_by,
           30 AS most_under_way, interval '60 s' AS counts_for
      FROM @schema.clock c),
  oldest AS MATERIALIZED (
    SELECT r.reminder_id, r.task_id, r.user_id, r.due_at FROM @schema.reminder r
     WHERE r.fired_at IS NULL AND r.closed_at IS NULL AND r.due_at <= (SELECT at FROM bound)
     ORDER BY r.due_at LIMIT 1000),
  near AS MATERIALIZED (
    SELECT o.*, b.most_under_way - fired.count AS room
      FROM (SELECT user_id, array_agg(reminder_id) AS reminder_ids, array_agg(task_id) AS task_ids, array_agg(due_at) AS moments
              FROM oldest GROUP BY user_id) AS o, bound b, LATERAL (
      SELECT count(*) FROM @schema.reminder r
       WHERE r.user_id = o.user_id AND r.fired_at IS NOT NULL AND r.closed_at IS NULL
         AND r.fired_at BETWEEN until - b.counts_for AND until + b.counts_for) AS fired),
  step AS (
    (SELECT date_bin('1 second', r.due_at, '2000-01-01 00:00:00+00') AS second, r.user_id FROM @schema.reminder r
      WHERE r.fired_at IS NULL AND r.closed_at IS NULL
        AND (SELECT count(*) = 1000 FROM oldest) AND (SELECT count(*) < most FROM near WHERE room > 0)
      ORDER BY date_bin('1 second', r.due_at, '2000-01-01 00:00:00+00'), r.user_id LIMIT 1)
    UNION ALL
    SELECT beyond.second, beyond.user_id FROM step, LATERAL (
      SELECT date_bin('1 second', r.due_at, '2000-01-01 00:00:00+00') AS second, r.user_id FROM @schema.reminder r
       WHERE r.fired_at IS NULL AND r.closed_at IS NULL
         AND (date_bin('1 second', r.due_at, '2000-01-01 00:00:00+00'), r.user_id) > (step.second, step.user_id)
         AND date_bin('1 second', r.due_at, '2000-01-01 00:00:00+00') <= (SELECT at FROM bound)
       ORDER BY date_bin('1 second', r.due_at, '2000-01-01 00:00:00+00'), r.user_id LIMIT 1) AS beyond),
  hidden AS MATERIALIZED (
    SELECT s.user_id, s.second, b.most_under_way - fired.count AS room
      FROM (SELECT of.user_id, min(of.second) AS second FROM (SELECT * FROM step LIMIT 20000) AS of
             GROUP BY of.user_id ORDER BY min(of.second)) AS s, bound b, LATERAL (
      SELECT count(*) FROM @schema.reminder r
       WHERE r.user_id = s.user_id AND r.fired_at IS NOT NULL AND r.closed_at IS NULL
         AND r.fired_at BETWEEN until - b.counts_for AND until + b.counts_for) AS fired
     WHERE fired.count < b.most_under_way ORDER BY s.second LIMIT most),
  candidate AS (
    SELECT r.reminder_id, r.task_id, n.user_id, r.due_at, n.room
      FROM near n, unnest(n.reminder_ids, n.task_ids, n.moments) AS r (reminder_id, task_id, due_at)
    UNION
    SELECT first.*, hidden.room FROM hidden, LATERAL (
      SELECT r.reminder_id, r.task_id, r.user_id, r.due_at FROM @schema.reminder r
       WHERE r.fired_at IS NULL AND r.closed_at IS NULL
         AND date_bin('1 second', r.due_at, '2000-01-01 00:00:00+00') = hidden.second AND r.user_id = hidden.user_id
         AND r.due_at <= (SELECT at FROM bound)
       ORDER BY r.due_at LIMIT 10) AS first),
  queue AS MATERIALIZED (
    SELECT c.user_id, CASE WHEN c.due_at <= b.stale_by THEN most ELSE c.room END AS room, min(c.due_at) AS first_at,
           array_agg(c.reminder_id ORDER BY c.due_at, c.reminder_id) AS reminder_ids,
           array_agg(c.task_id ORDER BY c.due_at, c.reminder_id) AS task_ids,
           array_agg(c.due_at ORDER BY c.due_at, c.reminder_id) AS moments
      FROM candidate c, bound b WHERE c.room > 0 OR c.due_at <= b.stale_by GROUP BY 1, 2),
  locked AS MATERIALIZED (
    SELECT own.*, own.turn - q.room AS place
      FROM (SELECT * FROM queue ORDER BY room DESC, first_at, user_id) AS q, LATERAL (
      SELECT r.reminder_id, r.moment, r.turn, t.user_id, t.task_id, t.title, t.description, t.completed, t.priority, t.tags,
             t.due_at, t.due_on, t.time_zone, t.reminders, t.snoozed_until, t.recurrence_pattern, t.recurrence_from,
             t.recurrence_paused, t.series_id, t.occurrence, t.version, t.created_at, t.updated_at, t.completed_at
        FROM unnest(q.reminder_ids, q.task_ids, q.moments) WITH ORDINALITY AS r (reminder_id, task_id, moment, turn)
        JOIN @schema.task t ON t.task_id = r.task_id
       ORDER BY r.turn LIMIT least(q.room, greatest(1, most / (SELECT count(*) FROM queue)))
         FOR UPDATE OF t SKIP LOCKED) AS own
     LIMIT most)
  SELECT l.reminder_id, l.user_id, l.task_id, l.title, l.description, l.completed, l.priority, l.tags, l.due_at, l.due_on,
         l.time_zone, l.reminders, l.snoozed_until, l.recurrence_pattern, l.recurrence_from, l.recurrence_paused,
         l.series_id, l.occurrence, l.version, l.created_at, l.updated_at, l.completed_at
    FROM locked l ORDER BY l.place, l.moment, l.reminder_id
$body$
$definition$, '@schema', quote_ident(current_schema()));
END $migration$;
