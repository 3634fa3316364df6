-- The indexes of lists, of series and of the change feed, each built without blocking writes, in this order. One that broke off is dropped and built anew.

-- name: task_by_creation_and_deadline
-- The deadline stands behind the order: a range of due dates is compared in the index, and no other task is read.
CREATE INDEX CONCURRENTLY task_by_creation_and_deadline
  ON task (user_key(user_id), completed, created_at, task_id, (CASE WHEN deadline IS NULL THEN 'infinity' ELSE deadline END))

-- name: task_by_update_and_deadline
CREATE INDEX CONCURRENTLY task_by_update_and_deadline
  ON task (user_key(user_id), completed, updated_at, task_id, (CASE WHEN deadline IS NULL THEN 'infinity' ELSE deadline END))

-- name: task_listed_by_deadline
-- Not coalesce: under row-level security it counts as leaky, and a cursor would be a filter and no place in the index.
CREATE INDEX CONCURRENTLY task_listed_by_deadline
  ON task (user_key(user_id), completed, (CASE WHEN deadline IS NULL THEN 'infinity' ELSE deadline END), task_id)

-- name: task_listed_by_priority
CREATE INDEX CONCURRENTLY task_listed_by_priority
  ON task (user_key(user_id), completed, (CASE priority WHEN 'low' THEN 0::smallint WHEN 'medium' THEN 1::smallint
                                          WHEN 'high' THEN 2::smallint ELSE 3::smallint END), task_id)

-- name: task_listed_by_title
CREATE INDEX CONCURRENTLY task_listed_by_title ON task (user_key(user_id), completed, title COLLATE "C", task_id)

-- name: task_found_by_sampled_terms
-- What is written goes to a list first, and by a few hundred rows at once into the index: a write costs little.
CREATE INDEX CONCURRENTLY task_found_by_sampled_terms ON task
  USING gin (task_terms(task_id, user_id, searched_text(search_title, search_version, version, title),
                        searched_text(search_description, search_version, version, description), tags))
  WITH (fastupdate = on, gin_pending_list_limit = 256)

-- name: task_by_change
CREATE INDEX CONCURRENTLY task_by_change ON task (user_key(user_id), changed_in, task_id)

-- name: task_of_series
-- Most tasks are of none, and have no entry.
CREATE UNIQUE INDEX CONCURRENTLY task_of_series ON task (series_id, occurrence) WHERE series_id IS NOT NULL
