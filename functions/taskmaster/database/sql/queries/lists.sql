-- A page of tasks is looked for in steps (lists.py). {key} is what the order goes by, {direction} is ASC or DESC and {beyond}
-- is > or <: they come from closed tables, all else is a parameter.

-- name: in_order
-- For the walk: the order comes from an index, whatever the statistics say of the user. A sort would read all the tasks.
SELECT set_config('enable_sort', 'off', true), set_config('enable_seqscan', 'off', true),
       set_config('enable_bitmapscan', 'off', true), set_config('max_parallel_workers_per_gather', '0', true),
       set_config('jit', 'off', true)

-- name: by_filter
-- For the search: any index but none of the table itself. To start workers takes longer than what they would do.
SELECT set_config('enable_sort', 'on', true), set_config('enable_seqscan', 'off', true),
       set_config('enable_bitmapscan', 'on', true), set_config('max_parallel_workers_per_gather', '0', true),
       set_config('jit', 'off', true)

-- name: walk
-- The first tasks in the order, of which those are told that pass the filters. The one behind them is told without: place
-- is then above %(walk)s, and more may follow.
SELECT place, {task_fixed}, {task_state}
  FROM (SELECT branch.*, row_number() OVER (ORDER BY sort_key {direction}, task_id {direction}) AS place
          FROM ({branches}) AS branch
         ORDER BY sort_key {direction}, task_id {direction} LIMIT %(walk)s + 1) AS walked
 WHERE place > %(walk)s OR ({filters})
 ORDER BY sort_key {direction}, task_id {direction} LIMIT %(limit)s

-- name: walk_branch
(SELECT task.*, {key} AS sort_key FROM task WHERE {bounds}
  ORDER BY {key} {direction}, task_id {direction} LIMIT %(walk)s + 1)

-- name: search
-- All the tasks that pass the filters, by whichever index leads to the fewest, sorted. MATERIALIZED: or the planner would
-- walk the order for a rare filter, since a limit makes that look cheap. OFFSET 0: or it would from the mark on.
WITH found AS MATERIALIZED (SELECT * FROM ({branches} OFFSET 0) AS passing WHERE {mark} LIMIT %(many)s),
page AS MATERIALIZED (SELECT task_id FROM found ORDER BY sort_key {direction}, task_id {direction} LIMIT %(limit)s)
SELECT (SELECT count(*) FROM found) AS size, {task_fixed}, {task_state} FROM task WHERE task_id = ANY (ARRAY(SELECT task_id FROM page))
 ORDER BY {key} {direction}, task_id {direction}

-- name: search_branch
SELECT task_id, {key} AS sort_key FROM task WHERE {bounds} AND {filters}

-- name: search_branch_with_terms
-- Of text and tags an index knows, whose condition row-level security would not let it use.
SELECT task_id, {key} AS sort_key
  FROM tasks_found(%(text)s, %(tags)s::text[], false, %(completed)s, {sort}, {descending}, %(mark_text)s, %(mark_id)s,
                   %(bound_key)s, %(bound_id)s) AS task
 WHERE {filters}

-- name: sample
-- Of a 64th of the tasks that pass the filters, the one at a place of the order. None if so few pass that all are soon read.
SELECT sort_key::text AS bound_key, task_id AS bound_id
  FROM (SELECT sort_key, task_id, count(*) OVER () AS size,
               row_number() OVER (ORDER BY sort_key {direction}, task_id {direction}) AS place
          FROM (SELECT {key} AS sort_key, task_id FROM tasks_found(%(text)s, %(tags)s::text[], true) AS task
                 WHERE {filters}) AS passing
         WHERE {mark}) AS placed
 WHERE place = %(sampled)s AND size >= %(sample)s

-- name: beyond_mark
({key}, task_id) {beyond} (%(mark_key)s, %(mark_id)s)

-- name: of_one_rank
-- A range and no equation, of which the planner would take the order for none.
{key} >= {rank}::smallint AND {key} <= {rank}::smallint

-- name: of_ranks
{key} = ANY ({ranks}::smallint[])

-- name: earliest
{due} >= %(earliest)s::timestamptz AND {due} < 'infinity'

-- name: latest
{due} <= %(latest)s::timestamptz

-- name: of_series
series_id = %(series_id)s::bigint

-- name: filters
(%(completed)s::boolean IS NULL OR completed = %(completed)s)
   AND (%(series_id)s::bigint IS NULL OR series_id = %(series_id)s)
   AND (%(overdue_at)s::timestamptz IS NULL OR deadline <= %(overdue_at)s)
   AND (%(priorities)s::text[] IS NULL OR priority = ANY (%(priorities)s))
   AND tags @> %(tags)s::text[]
   AND (%(from_moment)s::timestamptz IS NULL OR coalesce(due_at, deadline) >= %(from_moment)s)
   AND (%(to_moment)s::timestamptz IS NULL OR coalesce(due_at, deadline) <= %(to_moment)s)
   AND (%(from_day)s::date IS NULL OR coalesce(due_on, (due_at AT TIME ZONE time_zone)::date) >= %(from_day)s)
   AND (%(to_day)s::date IS NULL OR coalesce(due_on, (due_at AT TIME ZONE time_zone)::date) <= %(to_day)s)
   AND (%(text)s = '' OR strpos(searched_text(search_title, search_version, version, title), %(text)s) > 0
        OR strpos(searched_text(search_description, search_version, version, description), %(text)s) > 0)

-- name: created_at
created_at

-- name: updated_at
updated_at

-- name: due
-- Not coalesce: under row-level security it counts as leaky, and what it compares as a filter.
(CASE WHEN deadline IS NULL THEN 'infinity' ELSE deadline END)

-- name: priority
(CASE priority WHEN 'low' THEN 0::smallint WHEN 'medium' THEN 1::smallint WHEN 'high' THEN 2::smallint ELSE 3::smallint END)

-- name: title
title COLLATE "C"
