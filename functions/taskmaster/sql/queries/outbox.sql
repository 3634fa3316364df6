-- name: insert_outbox
INSERT INTO outbox (key, topics, headers, value) VALUES (%(key)s, %(topics)s, %(headers)s, %(value)s)

-- name: prepare_publishing
-- A lost delete is a repeat, so it need not be flushed; one hot key must not turn each claim into a hash of the table.
SELECT set_config('synchronous_commit', 'off', true), set_config('enable_hashjoin', 'off', true),
       set_config('enable_mergejoin', 'off', true), set_config('enable_sort', 'off', true)

-- name: claim_outbox
-- Only the oldest row of each key: its successors wait until it is deleted, whoever publishes.
SELECT o.id, o.key, o.topics, o.headers, o.value FROM outbox o
 WHERE o.id <> ALL (%(failed)s) AND NOT EXISTS (SELECT FROM outbox e WHERE e.key = o.key AND e.id < o.id)
 ORDER BY o.id LIMIT %(limit)s FOR UPDATE OF o SKIP LOCKED

-- name: delete_outbox
DELETE FROM outbox WHERE id = ANY (%(ids)s)
