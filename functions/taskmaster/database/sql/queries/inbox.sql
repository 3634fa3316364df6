-- name: without_flush
SELECT set_config('synchronous_commit', 'off', true)

-- name: count_attempt
-- Before anything is decoded, in a transaction of its own that needs no flush: an attempt that crashes counts too.
-- An expired row that is not purged yet begins anew.
INSERT INTO inbox AS i ({inbox_key}, digest, expires_at)
VALUES ({inbox_key:values}, %(digest)s, now() + %(keep)s)
ON CONFLICT ({inbox_key}) DO UPDATE SET
  attempts    = CASE WHEN i.expires_at <= now() THEN 1 ELSE i.attempts + (i.status IS NULL)::int END,
  digest      = CASE WHEN i.expires_at <= now() THEN excluded.digest ELSE i.digest END,
  status      = CASE WHEN i.expires_at <= now() THEN NULL ELSE i.status END,
  answer      = CASE WHEN i.expires_at <= now() THEN NULL ELSE i.answer END,
  traceparent = CASE WHEN i.expires_at <= now() THEN NULL ELSE i.traceparent END,
  received_at = CASE WHEN i.expires_at <= now() THEN excluded.received_at ELSE i.received_at END,
  expires_at  = CASE WHEN i.expires_at <= now() THEN excluded.expires_at ELSE i.expires_at END
RETURNING {inbox_row}

-- name: uncount_attempt
-- A known outage is not the fault of the event.
UPDATE inbox SET attempts = greatest(attempts - 1, 0) WHERE {inbox_key:matches} AND status IS NULL

-- name: note_command
UPDATE inbox SET digest = %(digest)s WHERE {inbox_key:matches}
   AND status IS NULL AND digest = substring(%(digest)s::bytea FOR 32)

-- name: lock_inbox
SELECT {inbox_row} FROM inbox WHERE {inbox_key:matches} FOR UPDATE

-- name: expect_unanswered
SELECT must_hold(EXISTS (SELECT FROM inbox WHERE {inbox_key:matches} AND status IS NULL FOR UPDATE))

-- name: read_inbox
SELECT {inbox_key}, {inbox_row}
  FROM inbox JOIN (SELECT DISTINCT * FROM unnest(%(functions)s::text[], %(user_ids)s::text[], %(sources)s::text[], %(ids)s::text[])
                       AS asked ({inbox_key})) AS asked USING ({inbox_key})

-- name: answer_inbox
UPDATE inbox SET status = %(status)s, answer = %(answer)s, digest = coalesce(%(digest)s::bytea, digest), traceparent = %(traceparent)s
 WHERE {inbox_key:matches}

-- name: forget_inbox
DELETE FROM inbox WHERE {inbox_key:matches}

-- name: purge_inbox
DELETE FROM inbox WHERE ctid = ANY (ARRAY(SELECT ctid FROM inbox WHERE expires_at < now() LIMIT %(batch)s FOR UPDATE SKIP LOCKED))

-- name: newest_commands
-- By the index of expiry, which is a fixed time behind the reception: one for events, one for calls. An event that was
-- received a week ago expires with the calls of today.
(SELECT function, source, attempts, status, coalesce(answer ->> 'reason', '') <> '' AS has_reason, received_at FROM inbox
  WHERE expires_at > now() + %(keep_events)s - %(within)s ORDER BY expires_at DESC LIMIT %(limit)s)
UNION ALL
(SELECT function, source, attempts, status, coalesce(answer ->> 'reason', '') <> '', received_at FROM inbox
  WHERE expires_at BETWEEN now() + %(keep_calls)s - %(within)s AND now() + %(keep_calls)s AND source = %(calls)s
  ORDER BY expires_at DESC LIMIT %(limit)s)
ORDER BY received_at DESC LIMIT %(limit)s
