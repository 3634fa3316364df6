-- For streams of changes: which of these users have changes that their snapshots do not show, by number from 1. The process
-- of many users' streams asks so by one query. It tells that there is something, and not what.

DO $migration$ BEGIN
  EXECUTE replace($definition$
CREATE FUNCTION @schema.users_with_changes(user_ids text[], snapshots text[]) RETURNS SETOF bigint
LANGUAGE sql STABLE SECURITY DEFINER
SET search_path = pg_catalog, pg_temp SET enable_seqscan = off SET enable_bitmapscan = off SET jit = off
AS $body$
  SELECT reader.number
    FROM unnest(user_ids, snapshots) WITH ORDINALITY AS given (user_id, snapshot, number),
         LATERAL (SELECT given.user_id, given.snapshot::pg_snapshot AS since, given.number) AS reader
   WHERE EXISTS (SELECT FROM @schema.task t
                  WHERE @schema.user_key(t.user_id) = @schema.user_key(reader.user_id) AND t.user_id = reader.user_id
                    AND t.changed_in >= pg_snapshot_xmin(reader.since)
                    AND t.changed_in < pg_snapshot_xmax(pg_current_snapshot())
                    AND NOT pg_visible_in_snapshot(t.changed_in, reader.since))
      OR EXISTS (SELECT FROM @schema.deleted_task d
                  WHERE d.user_id = reader.user_id AND d.changed_in >= pg_snapshot_xmin(reader.since)
                    AND d.changed_in < pg_snapshot_xmax(pg_current_snapshot())
                    AND NOT pg_visible_in_snapshot(d.changed_in, reader.since))
$body$
$definition$, '@schema', quote_ident(current_schema()));
END $migration$;
REVOKE ALL ON FUNCTION users_with_changes FROM PUBLIC;
GRANT EXECUTE ON FUNCTION users_with_changes TO taskmaster_system;
