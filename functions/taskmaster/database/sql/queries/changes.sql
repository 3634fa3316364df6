-- name: by_index
-- The order comes from an index, whatever the statistics say of the user: a sort would read all of the user's tasks.
SELECT set_config('enable_sort', 'off', true), set_config('enable_seqscan', 'off', true),
       set_config('enable_bitmapscan', 'off', true), set_config('jit', 'off', true)

-- name: read_changes
-- Tasks that were written, and deleted, by transactions that the snapshot `since` does not show and `upto` does, in the order
-- of the transactions. Where `upto` is NULL it is the present one. Where `since` is NULL every task is returned, and no deletion.
-- One statement, so that all of it has the same snapshot. Where nothing changed, one row without a task.
--
-- What survives a crash: transactions that the last checkpoint knows, and those below one whose commit others see.
--
-- A database that was dumped and restored may have numbers of transactions that are ahead of its own: such rows are old.
WITH latest AS (
  (SELECT changed_in FROM task
    WHERE changed_in < pg_snapshot_xmax(pg_current_snapshot()) ORDER BY changed_in DESC LIMIT 1)
  UNION ALL
  (SELECT changed_in FROM deleted_task
    WHERE user_id = taskmaster_caller() AND changed_in < pg_snapshot_xmax(pg_current_snapshot())
    ORDER BY changed_in DESC LIMIT 1)),
purged AS (
  SELECT epoch, CASE WHEN purged_up_to < pg_snapshot_xmax(pg_current_snapshot()) THEN purged_up_to::text::bigint ELSE 0 END AS up_to
    FROM change_feed),
here AS MATERIALIZED (
  SELECT left(encode(sha256(concat_ws(' ', purged.epoch, s.system_identifier, c.timeline_id, d.oid, 'task'::regclass::oid)::bytea), 'hex'), 32)
           AS epoch,
         purged.up_to AS purged_up_to,
         greatest(split_part(c.next_xid, ':', 1)::bigint * 4294967296 + split_part(c.next_xid, ':', 2)::bigint,
                  purged.up_to + 1, (SELECT max(changed_in::text::bigint) + 1 FROM latest)) AS durable,
         pg_current_snapshot() AS now, coalesce(%(upto)s::pg_snapshot, pg_current_snapshot()) AS upto
    FROM purged, pg_control_system() s, pg_control_checkpoint() c, pg_database d WHERE d.datname = current_database()
   LIMIT 1)
SELECT here.epoch, here.purged_up_to, here.durable, here.now::text AS now,
       found.changed_in::text::bigint AS changed_in, found.place, found.deleted_task_id, found.deleted_version, {task_fixed}, {task_state}
  FROM here LEFT JOIN LATERAL (
    (SELECT changed_in, task_id AS place, task_id AS changed_task_id, NULL::bigint AS deleted_task_id, NULL::integer AS deleted_version
       FROM task
      WHERE (changed_in, task_id) > (%(beyond_change)s::text::xid8, %(beyond_task)s)
        AND (pg_visible_in_snapshot(changed_in, here.upto)
             OR (%(since)s::pg_snapshot IS NULL AND changed_in >= pg_snapshot_xmax(here.now)))
        AND (%(since)s::pg_snapshot IS NULL OR NOT pg_visible_in_snapshot(changed_in, %(since)s::pg_snapshot))
      ORDER BY changed_in, task_id LIMIT %(limit)s)
    UNION ALL
    (SELECT changed_in, task_id, NULL, task_id, version
       FROM deleted_task
      WHERE user_id = taskmaster_caller() AND %(since)s::pg_snapshot IS NOT NULL
        AND (changed_in, task_id) > (%(beyond_change)s::text::xid8, %(beyond_task)s)
        AND pg_visible_in_snapshot(changed_in, here.upto)
        AND NOT pg_visible_in_snapshot(changed_in, %(since)s::pg_snapshot)
      ORDER BY changed_in, task_id LIMIT %(limit)s)
    ORDER BY changed_in, place LIMIT %(limit)s) AS found ON true
  LEFT JOIN task ON task.task_id = found.changed_task_id

-- name: purge_deleted_tasks
-- One statement: no cursor is accepted that would need a row which is gone.
WITH gone AS (
  DELETE FROM deleted_task WHERE ctid = ANY (ARRAY(
    SELECT ctid FROM deleted_task WHERE deleted_at < now() - interval '30 days' ORDER BY deleted_at LIMIT %(batch)s))
  RETURNING changed_in),
noted AS (
  UPDATE change_feed SET purged_up_to = greatest(
      CASE WHEN purged_up_to < pg_snapshot_xmax(pg_current_snapshot()) THEN purged_up_to END,
      (SELECT changed_in FROM gone WHERE changed_in < pg_snapshot_xmax(pg_current_snapshot()) ORDER BY changed_in DESC LIMIT 1),
      '0')
   WHERE EXISTS (SELECT FROM gone))
SELECT count(*) FROM gone

-- name: users_with_changes
SELECT users_with_changes(%(user_ids)s, %(snapshots)s)
