-- name: user_of_calendar
-- Before it is known who asks. The digest is that of the secret in the address.
SELECT user_of_calendar(%(digest)s)

-- name: save_calendar
-- A new secret takes the place of the one before, whose address ends with the commit.
INSERT INTO calendar_feed (user_id, digest, made_at) VALUES (%(user_id)s, %(digest)s, %(made_at)s)
ON CONFLICT (user_id) DO UPDATE SET digest = excluded.digest, made_at = excluded.made_at

-- name: delete_calendar
DELETE FROM calendar_feed WHERE user_id = %(user_id)s

-- name: read_all_series
SELECT series_id, {series_state} FROM series WHERE series_id = ANY(%(series_ids)s)
