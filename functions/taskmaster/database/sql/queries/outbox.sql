-- name: insert_outbox
INSERT INTO outbox ({outbox_row}) VALUES ({outbox_row:values})

-- name: insert_outbox_rows
-- Many in one statement, in their order. The names of a row's topics are joined: an array of arrays of several lengths is none.
INSERT INTO outbox ({outbox_row})
SELECT key, string_to_array(topics, ','), headers, value
  FROM unnest(%(keys)s::text[], %(topics)s::text[], %(headers)s::jsonb[], %(values)s::bytea[])
       WITH ORDINALITY AS new (key, topics, headers, value, number) ORDER BY number

-- name: prepare_publishing
-- A lost delete only repeats events, so it need not be flushed. The planner has no statistics of a table that was just empty.
SELECT set_config('synchronous_commit', 'off', true), set_config('enable_hashjoin', 'off', true),
       set_config('enable_mergejoin', 'off', true), set_config('enable_seqscan', 'off', true),
       set_config('enable_bitmapscan', 'off', true)

-- name: is_outbox_empty
SELECT NOT EXISTS (SELECT FROM outbox)

-- name: claim_outbox
-- Only the oldest row of each key: the rows behind it wait until it is deleted. Users take turns: the first key of every
-- user, then the second. The oldest 1,000 rows are read, and where these belong to a few users, also the first rows of
-- the other users. The bytes are bounded because the next publisher waits for this claim.
WITH RECURSIVE
oldest AS MATERIALIZED (
  SELECT o.id, o.key, o.user_id, octet_length(o.value) AS size FROM outbox o ORDER BY o.id LIMIT 1000),
step AS (
  (SELECT o.user_id FROM outbox o
    WHERE (SELECT count(*) = 1000 AND count(DISTINCT user_id) < %(limit)s FROM oldest) ORDER BY o.user_id LIMIT 1)
  UNION ALL
  SELECT beyond.user_id FROM step, LATERAL (
    SELECT o.user_id FROM outbox o WHERE o.user_id > step.user_id ORDER BY o.user_id LIMIT 1) AS beyond),
candidate AS (
  SELECT * FROM oldest
  UNION
  SELECT first.* FROM (SELECT user_id FROM step LIMIT 1000) AS hidden, LATERAL (
    SELECT o.id, o.key, o.user_id, octet_length(o.value) AS size FROM outbox o WHERE o.user_id = hidden.user_id ORDER BY o.id LIMIT 10) AS first),
queue AS (
  SELECT c.id, c.size, row_number() OVER (PARTITION BY c.user_id ORDER BY c.id) AS turn FROM candidate c
   WHERE c.id <> ALL (%(failed)s) AND NOT EXISTS (SELECT FROM outbox e WHERE e.key = c.key AND e.id < c.id))
SELECT o.id, o.key, o.topics, o.headers, o.value, extract(epoch FROM clock_timestamp() - o.created_at)::float8 AS waited
  FROM (SELECT id, turn, sum(size) OVER (ORDER BY turn, id) - size AS before FROM queue ORDER BY turn, id) AS q
  JOIN outbox o ON o.id = q.id
 WHERE q.before < %(bytes)s
 ORDER BY q.turn, q.id LIMIT %(limit)s FOR UPDATE OF o SKIP LOCKED

-- name: claim_any
-- The same without turns, from key to key: finds rows behind those that claim_outbox reads, where all of these are locked
-- or cannot be sent. A key with many rows is one step.
WITH RECURSIVE step AS (
  (SELECT o.key, o.id FROM outbox o ORDER BY o.key, o.id LIMIT 1)
  UNION ALL
  SELECT beyond.key, beyond.id FROM step, LATERAL (
    SELECT o.key, o.id FROM outbox o WHERE o.key > step.key ORDER BY o.key, o.id LIMIT 1) AS beyond)
SELECT o.id, o.key, o.topics, o.headers, o.value, extract(epoch FROM clock_timestamp() - o.created_at)::float8 AS waited
  FROM step JOIN outbox o ON o.id = step.id
 WHERE o.id <> ALL (%(failed)s) LIMIT %(limit)s FOR UPDATE OF o SKIP LOCKED

-- name: claim_successors
-- The oldest rows of each of these keys, by the index alone: claim_outbox reads a thousand rows. The first row of a key
-- is locked, and stands for those behind it: whoever has no lock on the first takes none of them.
WITH first AS MATERIALIZED (
  SELECT o.id, o.key FROM unnest(%(keys)s::text[]) AS published (key)
    JOIN outbox o ON o.id = (SELECT min(e.id) FROM outbox e WHERE e.key = published.key) FOR UPDATE OF o SKIP LOCKED),
queue AS (
  SELECT own.id, sum(own.size) OVER (ORDER BY own.turn, own.id) - own.size AS before
    FROM first, LATERAL (
    SELECT o.id, octet_length(o.value) AS size, row_number() OVER (ORDER BY o.id) AS turn FROM outbox o
     WHERE o.key = first.key AND o.id >= first.id ORDER BY o.id LIMIT %(each)s) AS own)
SELECT o.id, o.key, o.topics, o.headers, o.value, extract(epoch FROM clock_timestamp() - o.created_at)::float8 AS waited
  FROM queue q JOIN outbox o ON o.id = q.id WHERE q.before < %(bytes)s ORDER BY o.id

-- name: delete_outbox
DELETE FROM outbox WHERE id = ANY (%(ids)s)
