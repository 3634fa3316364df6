-- name: insert_outbox
INSERT INTO outbox (key, topics, headers, value) VALUES (%(key)s, %(topics)s, %(headers)s, %(value)s)

-- name: prepare_publishing
-- A lost delete is a repeat, so it need not be flushed; one hot key must not turn each claim into a hash of the table.
SELECT set_config('synchronous_commit', 'off', true), set_config('enable_hashjoin', 'off', true),
       set_config('enable_mergejoin', 'off', true), set_config('enable_sort', 'off', true)

-- name: is_outbox_empty
SELECT NOT EXISTS (SELECT FROM outbox)

-- name: claim_outbox
-- Only the oldest row of each key: its successors wait until it is deleted, whoever publishes.
SELECT o.id, o.key, o.topics, o.headers, o.value, extract(epoch FROM clock_timestamp() - o.created_at)::float8 AS waited
  FROM outbox o
 WHERE o.id <> ALL (%(failed)s) AND NOT EXISTS (SELECT FROM outbox e WHERE e.key = o.key AND e.id < o.id)
 ORDER BY o.id LIMIT %(limit)s FOR UPDATE OF o SKIP LOCKED

-- name: claim_successors
-- What is now the oldest row of each of these keys, by the index alone: claim_outbox looks at every row that waits.
SELECT o.id, o.key, o.topics, o.headers, o.value, extract(epoch FROM clock_timestamp() - o.created_at)::float8 AS waited
  FROM unnest(%(keys)s::text[]) AS published (key)
  JOIN outbox o ON o.id = (SELECT min(e.id) FROM outbox e WHERE e.key = published.key) FOR UPDATE OF o SKIP LOCKED

-- name: delete_outbox
DELETE FROM outbox WHERE id = ANY (%(ids)s)
