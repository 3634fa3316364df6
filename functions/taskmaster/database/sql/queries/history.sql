-- name: insert_history
INSERT INTO task_history (user_id, task_id, {history_entry}) VALUES (%(user_id)s, %(task_id)s, {history_entry:values})

-- name: read_history
SELECT {history_entry} FROM task_history
 WHERE user_id = taskmaster_caller() AND task_id = %(task_id)s AND version < %(before)s
 ORDER BY version DESC LIMIT %(limit)s

-- name: purge_history
DELETE FROM task_history WHERE ctid = ANY (ARRAY(
  SELECT ctid FROM task_history WHERE written_at < now() - interval '90 days' ORDER BY written_at LIMIT %(batch)s))
