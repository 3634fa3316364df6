-- name: as_user
-- Who the transaction is for: row-level security shows and takes only this user's rows.
SELECT set_config('taskmaster.user_id', %(user_id)s, true)

-- name: reserve_task_ids
-- Ids ahead of their use, so that a create is one round trip. One that is not used is a gap, no more.
SELECT nextval('task_id') FROM generate_series(1, %(count)s)

-- name: read_task
SELECT task_id, title, description, completed, priority, tags, due_at, due_on, time_zone, reminders, snoozed_until, recurrence_pattern,
       recurrence_from, recurrence_paused, series_id, occurrence, version, created_at, updated_at, completed_at
  FROM task WHERE task_id = %(task_id)s

-- name: lock_task
-- The lock that puts the events of one task in commit order: taken before any outbox id.
SELECT task_id, title, description, completed, priority, tags, due_at, due_on, time_zone, reminders, snoozed_until, recurrence_pattern,
       recurrence_from, recurrence_paused, series_id, occurrence, version, created_at, updated_at, completed_at
  FROM task WHERE task_id = %(task_id)s FOR UPDATE

-- name: insert_task
INSERT INTO task (task_id, user_id, title, description, completed, priority, tags, due_at, due_on, time_zone, deadline,
                  reminders, snoozed_until,
                  recurrence_pattern, recurrence_from, recurrence_paused, series_id, occurrence, version, created_at,
                  updated_at, completed_at, search_title, search_description, search_version)
VALUES (%(task_id)s, %(user_id)s, %(title)s, %(description)s, %(completed)s, %(priority)s, %(tags)s, %(due_at)s, %(due_on)s,
        %(time_zone)s, %(deadline)s, %(reminders)s, %(snoozed_until)s, %(recurrence_pattern)s, %(recurrence_from)s, %(recurrence_paused)s,
        %(series_id)s, %(occurrence)s, %(version)s, %(created_at)s, %(updated_at)s, %(completed_at)s,
        %(search_title)s, %(search_description)s, %(search_version)s)

-- name: update_task
UPDATE task SET title = %(title)s, description = %(description)s, completed = %(completed)s, priority = %(priority)s,
                tags = %(tags)s, due_at = %(due_at)s, due_on = %(due_on)s, time_zone = %(time_zone)s, deadline = %(deadline)s,
                reminders = %(reminders)s, snoozed_until = %(snoozed_until)s,
                recurrence_pattern = %(recurrence_pattern)s, recurrence_from = %(recurrence_from)s,
                recurrence_paused = %(recurrence_paused)s, series_id = %(series_id)s,
                occurrence = %(occurrence)s, version = %(version)s, updated_at = %(updated_at)s, completed_at = %(completed_at)s,
                search_title = %(search_title)s, search_description = %(search_description)s, search_version = %(search_version)s
 WHERE task_id = %(task_id)s

-- name: delete_task
DELETE FROM task WHERE task_id = %(task_id)s

-- name: read_series
SELECT series_id, recurrence_pattern, recurrence_from, time_zone, starts_at, starts_on, anchor, template, head, position,
       previous_position, paused_at, ended_at
  FROM series WHERE series_id = %(series_id)s

-- name: lock_series
SELECT series_id, recurrence_pattern, recurrence_from, time_zone, starts_at, starts_on, anchor, template, head, position,
       previous_position, paused_at, ended_at
  FROM series WHERE series_id = %(series_id)s FOR UPDATE

-- name: insert_series
INSERT INTO series (series_id, user_id, recurrence_pattern, recurrence_from, time_zone, starts_at, starts_on, anchor, template,
                    head, position, previous_position, paused_at, ended_at)
VALUES (%(series_id)s, %(user_id)s, %(recurrence_pattern)s, %(recurrence_from)s, %(time_zone)s, %(starts_at)s, %(starts_on)s,
        %(anchor)s, %(template)s, %(head)s, %(position)s, %(previous_position)s, %(paused_at)s, %(ended_at)s)

-- name: update_series
UPDATE series SET recurrence_pattern = %(recurrence_pattern)s, recurrence_from = %(recurrence_from)s, time_zone = %(time_zone)s,
                  starts_at = %(starts_at)s, starts_on = %(starts_on)s, anchor = %(anchor)s, template = %(template)s,
                  head = %(head)s, position = %(position)s, previous_position = %(previous_position)s, paused_at = %(paused_at)s, ended_at = %(ended_at)s
 WHERE series_id = %(series_id)s

-- name: lock_latest_after
-- The latest occurrence behind this one, if there is any.
SELECT task_id, title, description, completed, priority, tags, due_at, due_on, time_zone, reminders, snoozed_until, recurrence_pattern,
       recurrence_from, recurrence_paused, series_id, occurrence, version, created_at, updated_at, completed_at
  FROM task WHERE series_id = %(series_id)s AND occurrence > %(occurrence)s ORDER BY occurrence DESC LIMIT 1 FOR UPDATE

-- name: delete_empty_series
DELETE FROM series s WHERE series_id = %(series_id)s AND NOT EXISTS (SELECT FROM task t WHERE t.series_id = s.series_id)

-- name: lock_tasks_to_fold
-- As the owner of the tables: tasks behind an id with texts beyond ASCII of which nothing, or a former version, was folded.
-- One that somebody holds is left out: its holder writes it anew, or the next round finds it.
SELECT task_id, version, title, description FROM task
 WHERE task_id > %(beyond)s AND search_version IS DISTINCT FROM version
   AND (octet_length(title) > length(title) OR octet_length(description) > length(description))
 ORDER BY task_id LIMIT %(limit)s FOR NO KEY UPDATE SKIP LOCKED

-- name: keep_folded
UPDATE task SET search_title = %(search_title)s, search_description = %(search_description)s, search_version = %(search_version)s
 WHERE task_id = %(task_id)s
