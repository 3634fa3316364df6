-- name: drop_reminders
-- Reminders that are not closed and no longer wanted.
DELETE FROM reminder WHERE task_id = %(task_id)s AND closed_at IS NULL AND moment <> ALL (%(moments)s::timestamptz[])

-- name: insert_reminders
INSERT INTO reminder (reminder_id, task_id, user_id, moment, due_at, traceparent, tracestate)
SELECT id, %(task_id)s, %(user_id)s, moment, moment, %(traceparent)s, %(tracestate)s
  FROM unnest(%(ids)s::uuid[], %(moments)s::timestamptz[]) AS new (id, moment)
ON CONFLICT (task_id, moment) DO NOTHING

-- name: read_alarm_until_commit
-- Shared by transactions that arm a reminder; the dispatcher holds it exclusively while it finds the next moment. No
-- transaction waits here: where the dispatcher has the lock, or waits for it, the next statement inserts the event.
SELECT set_config('taskmaster.alarm_is_read', pg_try_advisory_xact_lock_shared(7461736722)::text, true)

-- name: insert_outbox_unless_awaited
-- Insert reminder.armed, unless the dispatcher looks at this moment or before anyway.
INSERT INTO outbox ({outbox_row})
SELECT {outbox_row:values}
 WHERE current_setting('taskmaster.alarm_is_read') <> 'true'
    OR NOT EXISTS (SELECT FROM alarm WHERE next_at > %(now)s AND next_at <= %(moment)s)

-- name: insert_outbox_if_missed
INSERT INTO outbox ({outbox_row})
SELECT {outbox_row:values}
 WHERE EXISTS (SELECT FROM reminder WHERE fired_at IS NULL AND closed_at IS NULL AND due_at <= %(by)s)

-- name: note_tick
INSERT INTO tick (function, at) VALUES (%(function)s, now()) ON CONFLICT (function) DO UPDATE SET at = excluded.at

-- name: begin_move
-- A new day_hour: reminders that follow it move, from the first task on. A move that is under way begins anew. Where there
-- is none, or it has made no step for a minute, an event starts one.
WITH move AS (
  INSERT INTO reminder_move AS m (user_id, ticket, asked_at)
  SELECT %(user_id)s, %(ticket)s::uuid, %(asked_at)s
   WHERE EXISTS (SELECT FROM task WHERE user_id = taskmaster_caller() AND NOT completed AND due_on >= %(day)s)
  ON CONFLICT (user_id) DO UPDATE SET after_task = 0, asked_at = excluded.asked_at,
    ticket   = CASE WHEN m.moved_at > now() - interval '1 minute' THEN m.ticket ELSE excluded.ticket END,
    moved_at = CASE WHEN m.moved_at > now() - interval '1 minute' THEN m.moved_at ELSE excluded.moved_at END
  RETURNING ticket)
INSERT INTO outbox ({outbox_row})
SELECT {outbox_row:values} FROM move WHERE ticket = %(ticket)s::uuid

-- name: read_move
SELECT after_task, asked_at FROM reminder_move WHERE user_id = taskmaster_caller() AND ticket = %(ticket)s::uuid

-- name: lock_tasks_to_move
SELECT {task_fixed}, {task_state}
  FROM task WHERE user_id = taskmaster_caller() AND NOT completed AND due_on >= %(day)s AND task_id > %(after_task)s
 ORDER BY task_id LIMIT %(limit)s FOR UPDATE

-- name: advance_move
UPDATE reminder_move SET after_task = %(after_task)s, moved_at = now()
 WHERE user_id = taskmaster_caller() AND ticket = %(ticket)s::uuid

-- name: end_move
DELETE FROM reminder_move WHERE user_id = taskmaster_caller() AND ticket = %(ticket)s::uuid

-- name: hold_briefly
-- A dispatcher that freezes loses its locks on tasks soon: commands wait for them.
SELECT set_config('idle_in_transaction_session_timeout', '5s', true)

-- name: set_stale_by
-- Reminders that were due by then are closed when they are fired, so lock_due_reminders does not bound their number.
SELECT set_config('taskmaster.stale_by', %(stale)s::timestamptz::text, true)

-- name: lock_due_reminders_to_fire
-- The first of them, as many as a short transaction can carry, at least one: the next batch waits for this transaction.
-- Their ids are noted for fire_locked_reminders, which is sent in the same message.
WITH due AS (
  SELECT d.*, sum(coalesce(length(d.description), 0)) OVER (ORDER BY d.ordinality) AS characters
    FROM lock_due_reminders(%(now)s, %(limit)s) WITH ORDINALITY AS d),
batch AS MATERIALIZED (SELECT * FROM due WHERE ordinality = 1 OR characters <= %(characters)s)
SELECT reminder_id::text, user_id, {task_fixed}, {task_state} FROM batch
 WHERE (SELECT set_config('taskmaster.to_fire', string_agg(reminder_id::text, ','), true) FROM batch) IS NOT NULL
 ORDER BY ordinality

-- name: fire_locked_reminders
-- Those that the statement before it has noted. It is a statement of its own behind the lock, so that its snapshot has what
-- the last holder of the lock committed. In this form the planner finds them by their ids; it has no statistics of what has
-- just become due, and would read all of that.
UPDATE reminder SET fired_at = %(now)s, closed_at = CASE WHEN due_at <= %(stale)s THEN clock_timestamp() END,
                    reason = CASE WHEN due_at <= %(stale)s THEN 'stale' END
 WHERE reminder_id = ANY (string_to_array(current_setting('taskmaster.to_fire', true), ',')::uuid[])
   AND CASE WHEN fired_at IS NULL AND closed_at IS NULL THEN due_at <= %(now)s ELSE false END
RETURNING reminder_id::text, task_id, moment, due_at, closed_at IS NOT NULL, traceparent, tracestate

-- name: lock_alarm
-- A transaction that arms a reminder has committed, or has not yet read the alarm.
SELECT pg_advisory_xact_lock(7461736722)

-- name: schedule_next_wakeup
-- Stored is when the dispatcher looks next: where a reminder is overdue, since its user has enough in delivery or its task
-- is locked, that is soon, and not a moment that has passed, before which every reminder armed would wake the dispatcher.
WITH next AS (SELECT min(due_at) AS due_at FROM reminder WHERE fired_at IS NULL AND closed_at IS NULL)
UPDATE alarm SET next_at = least(CASE WHEN next.due_at <= %(now)s THEN %(recheck_by)s ELSE next.due_at END, %(by)s::timestamptz)
  FROM next RETURNING next.due_at

-- name: next_moment
SELECT min(due_at) FROM reminder WHERE fired_at IS NULL AND closed_at IS NULL AND due_at > %(after)s

-- name: scheduled_wakeup
SELECT next_at FROM alarm

-- name: read_reminder
SELECT {reminder_row} FROM reminder WHERE reminder_id = %(reminder_id)s::uuid

-- name: expect_reminder
-- Task and reminder are locked in this order, and are as they were read. Every change of a task has a version of its own.
SELECT must_hold(EXISTS (SELECT FROM task WHERE task_id = %(task_id)s AND version = %(version)s FOR UPDATE)),
       must_hold(EXISTS (SELECT FROM reminder WHERE reminder_id = %(reminder_id)s::uuid AND due_at = %(due_at)s
                            AND fired_at = %(fired_at)s AND attempts = %(attempts)s AND closed_at IS NULL FOR UPDATE))

-- name: lock_reminder
SELECT {reminder_row} FROM reminder WHERE reminder_id = %(reminder_id)s::uuid FOR UPDATE

-- name: read_reminders
SELECT {reminder_row} FROM reminder WHERE task_id = ANY(%(task_ids)s) ORDER BY moment DESC, task_id LIMIT %(limit)s

-- name: update_reminder
UPDATE reminder SET due_at = %(due_at)s, fired_at = %(fired_at)s, attempts = %(attempts)s, outcomes = %(outcomes)s,
                    closed_at = CASE WHEN %(is_closed)s THEN clock_timestamp() END
 WHERE reminder_id = %(reminder_id)s::uuid

-- name: hold_back_due
-- What else is due of this user, for the reason that held one reminder back. No row is waited for, so nothing can deadlock.
UPDATE reminder SET due_at = %(until)s
 WHERE reminder_id = ANY (ARRAY(
   SELECT reminder_id FROM reminder
    WHERE user_id = taskmaster_caller() AND fired_at IS NULL AND closed_at IS NULL AND due_at <= %(by)s
    ORDER BY due_at LIMIT %(limit)s FOR UPDATE SKIP LOCKED))

-- name: purge_reminders
DELETE FROM reminder WHERE reminder_id = ANY (ARRAY(
  SELECT reminder_id FROM reminder WHERE closed_at < now() - interval '30 days' LIMIT %(batch)s FOR UPDATE SKIP LOCKED))
