-- The secret address of each user's calendar feed, one at most. Only the SHA-256 of the secret is kept: who reads this table
-- opens no feed.

CREATE TABLE calendar_feed (
  user_id text PRIMARY KEY,
  digest  bytea NOT NULL UNIQUE CHECK (octet_length(digest) = 32),
  made_at timestamptz NOT NULL                  -- business time
);
ALTER TABLE calendar_feed ENABLE ROW LEVEL SECURITY;
CREATE POLICY own ON calendar_feed TO taskmaster_user USING (user_id = taskmaster_caller()) WITH CHECK (user_id = taskmaster_caller());
GRANT SELECT, INSERT, UPDATE, DELETE ON calendar_feed TO taskmaster_user;

-- Whose feed a secret opens; null for one that opens none. With the owner's rights, since nobody is known yet who asks. It
-- tells a user id to whoever has the secret, and nothing to whoever has not.
DO $migration$ BEGIN
  EXECUTE replace($definition$
CREATE FUNCTION @schema.user_of_calendar(wanted bytea) RETURNS text
  LANGUAGE sql STABLE SECURITY DEFINER SET search_path = pg_catalog, pg_temp
AS $body$
  SELECT f.user_id FROM @schema.calendar_feed f WHERE f.digest = wanted
$body$
$definition$, '@schema', quote_ident(current_schema()));
END $migration$;
REVOKE ALL ON FUNCTION user_of_calendar FROM PUBLIC;
GRANT EXECUTE ON FUNCTION user_of_calendar TO taskmaster_user;
