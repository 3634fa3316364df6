-- name: insert_outbox
INSERT INTO outbox ({outbox_row}) VALUES ({outbox_row:values})

-- name: insert_outbox_rows
-- Many in one statement, in their order. The names of a row's topics are joined: an array of arrays of several lengths is none.
INSERT INTO outbox ({outbox_row})
SELECT key, string_to_array(topics, ','), headers, value
  FROM unnest(%(keys)s::text[], %(topics)s::text[], %(headers)s::jsonb[], %(values)s::bytea[])
       WITH ORDINALITY AS new (key, topics, headers, value, number) ORDER BY number

-- name: is_outbox_empty
SELECT NOT EXISTS (SELECT FROM outbox)

-- name: claim_outbox
-- The function is in 0021.publishing.sql. A name of a parameter says what it is for there.
SELECT * FROM claim_outbox(%(behind)s::text[], %(each)s, %(most)s, %(failed)s::bigint[], %(bytes)s)

-- name: delete_outbox
DELETE FROM outbox WHERE id = ANY (%(ids)s)
