-- name: as_user
SELECT set_config('taskmaster.user_id', %(user_id)s, true)

-- name: history_of_user
-- Of deleted tasks too. In the order in which it was written.
SELECT task_id, {history_entry} FROM task_history
 WHERE user_id = taskmaster_caller() AND at >= %(since)s ORDER BY written_at, task_id, version
