-- name: as_user
-- The user of the transaction: row-level security shows and accepts only this user's rows.
SELECT set_config('taskmaster.user_id', %(user_id)s, true)

-- name: reserve_task_ids
-- Ids ahead of their use, so that a create is one round trip. An id that is not used leaves a gap.
SELECT nextval('task_id') FROM generate_series(1, %(count)s)

-- name: read_task
SELECT {task_fixed}, {task_state} FROM task WHERE task_id = %(task_id)s

-- name: lock_task
-- The lock that keeps the events of one task in commit order: taken before any outbox id.
SELECT {task_fixed}, {task_state} FROM task WHERE task_id = %(task_id)s FOR UPDATE

-- name: insert_task
INSERT INTO task (user_id, {task_fixed}, {task_state}, {task_derived})
VALUES (%(user_id)s, {task_fixed:values}, {task_state:values}, {task_derived:values})

-- name: update_task
UPDATE task SET {task_state:changes}, {task_derived:changes} WHERE task_id = %(task_id)s

-- name: delete_task
DELETE FROM task WHERE task_id = %(task_id)s

-- name: read_series
SELECT series_id, {series_state} FROM series WHERE series_id = %(series_id)s

-- name: lock_series
SELECT series_id, {series_state} FROM series WHERE series_id = %(series_id)s FOR UPDATE

-- name: lock_series_of
SELECT series_id, {series_state} FROM series WHERE series_id = (SELECT series_id FROM task WHERE task_id = %(task_id)s) FOR UPDATE

-- name: insert_series
INSERT INTO series (series_id, user_id, {series_state}) VALUES (%(series_id)s, %(user_id)s, {series_state:values})

-- name: update_series
UPDATE series SET {series_state:changes} WHERE series_id = %(series_id)s

-- name: lock_latest_after
-- The latest occurrence after this one, if there is one.
SELECT {task_fixed}, {task_state}
  FROM task WHERE series_id = %(series_id)s AND occurrence > %(occurrence)s ORDER BY occurrence DESC LIMIT 1 FOR UPDATE

-- name: delete_empty_series
DELETE FROM series s WHERE series_id = %(series_id)s AND NOT EXISTS (SELECT FROM task t WHERE t.series_id = s.series_id)

-- name: lock_tasks_to_fold
-- As the owner of the tables: tasks after an id with texts beyond ASCII that are not folded, or in a former version. Locked
-- tasks are skipped: a change folds them, or the next round finds them.
SELECT task_id, version, title, description FROM task
 WHERE task_id > %(beyond)s AND search_version IS DISTINCT FROM version
   AND (octet_length(title) > length(title) OR octet_length(description) > length(description))
 ORDER BY task_id LIMIT %(limit)s FOR NO KEY UPDATE SKIP LOCKED

-- name: keep_folded
UPDATE task SET search_title = %(search_title)s, search_description = %(search_description)s, search_version = %(search_version)s
 WHERE task_id = %(task_id)s
