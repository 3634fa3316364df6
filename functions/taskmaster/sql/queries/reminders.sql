-- name: drop_reminders
-- What has not rung yet and is no longer meant to.
DELETE FROM reminder WHERE task_id = %(task_id)s AND closed_at IS NULL AND moment <> ALL (%(moments)s::timestamptz[])

-- name: insert_reminders
INSERT INTO reminder (reminder_id, task_id, user_id, moment, due_at)
SELECT id, %(task_id)s, %(user_id)s, moment, moment FROM unnest(%(ids)s::uuid[], %(moments)s::timestamptz[]) AS new (id, moment)
ON CONFLICT (task_id, moment) DO NOTHING

-- name: read_alarm_until_commit
-- Shared with all who arm, against the dispatcher, who holds it exclusively while it finds the next moment.
SELECT pg_advisory_xact_lock_shared(7461736722)

-- name: insert_outbox_unless_awaited
-- Say that a reminder was armed, unless the dispatcher will look at this moment or before.
INSERT INTO outbox (key, topics, headers, value)
SELECT %(key)s, %(topics)s, %(headers)s, %(value)s
 WHERE NOT EXISTS (SELECT FROM alarm WHERE next_at > %(now)s AND next_at <= %(moment)s)

-- name: lock_tasks_due_on_a_day
SELECT task_id, title, description, completed, priority, tags, due_at, due_on, time_zone, reminders, snoozed_until,
       recurrence_pattern, recurrence_from, recurrence_paused, series_id, occurrence, version, created_at, updated_at, completed_at
  FROM task WHERE user_id = taskmaster_caller() AND NOT completed AND due_on >= %(day)s ORDER BY task_id FOR UPDATE
