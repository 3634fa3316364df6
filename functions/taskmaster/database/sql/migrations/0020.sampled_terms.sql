-- Searches that read few tasks however many have a term: a sample shows how far the page reaches in the order, and what lies
-- beyond is not read.

-- What a task can be found by in the index: its terms, and of every 64th task, by the hash of its id, that it is in its user's
-- sample.
CREATE FUNCTION task_terms(task_id bigint, user_id text, title text, description text, tags text[]) RETURNS tsvector
  LANGUAGE sql IMMUTABLE PARALLEL SAFE
  RETURN CASE WHEN hashint8extended(task_id, 0) & 63 = 0
              THEN task_terms(user_id, title, description, tags) || array_to_tsvector(ARRAY['@' || to_hex(user_key(user_id)) || '/'])
              ELSE task_terms(user_id, title, description, tags) END;

-- What it takes to compute them for a row: the planner is to look them up in the index instead, whatever else leads to rows.
ALTER FUNCTION task_terms(text, text, text, text[]) COST 10000;

-- The condition as before; for the sample, that a task is in it, with two pairs of a text instead of six: each is looked up for
-- every task of the sample, which takes longer than to read some tasks in vain.
CREATE FUNCTION terms_wanted(user_id text, wanted text, tags text[], is_sample boolean) RETURNS tsquery
  LANGUAGE plpgsql IMMUTABLE PARALLEL SAFE SET search_path = pg_catalog, pg_temp AS $$
DECLARE
  key integer := (hashtextextended(user_id, 0) >> 32)::integer;
  pairs text := chr(97 + (key & 3));
  of_tags text := chr(65 + (key & 15)) || chr(65 + ((key >> 4) & 15));
  found text := coalesce(nullif(ltrim(wanted, ' '), ''), left(wanted, 2));
BEGIN
  RETURN (
    SELECT string_agg('''' || replace(replace(term, '\', '\\'), '''', '''''') || '''' || suffix, ' & ')::tsquery
      FROM (SELECT '@' || to_hex(key) || CASE WHEN is_sample THEN '/' ELSE '' END AS term, '' AS suffix
             WHERE is_sample OR coalesce(cardinality(tags), 0) = 0
            UNION ALL
            SELECT of_tags || tag, '' FROM unnest(tags) AS tag
            UNION ALL
            SELECT pairs || found, ':*' WHERE length(found) = 1
            UNION ALL
            SELECT pairs || substr(found, place, 2), ''
              FROM generate_series(1, length(found) - 1, 1 + length(found) / CASE WHEN is_sample THEN 3 ELSE 7 END) AS place
             WHERE substr(found, place, 1) <> ' ' OR substr(found, place, 2) = '  ') AS terms);
END $$;

-- The caller's tasks that have these tags and this text; nobody else's, whatever it is given. Only those of the sample if it
-- is wanted; and up to a place in an order, from another one, if that is given. With the owner's rights, since no condition on
-- task_terms may use an index under row-level security. A list filters them further, picks the tasks of a page and reads these
-- with its own rights.
DO $migration$ BEGIN
  EXECUTE replace($definition$
CREATE FUNCTION @schema.tasks_found(
  wanted text, tags text[], is_sample boolean, completed boolean DEFAULT NULL, sort_by text DEFAULT NULL,
  descending boolean DEFAULT NULL, from_key text DEFAULT NULL, from_id bigint DEFAULT NULL, to_key text DEFAULT NULL,
  to_id bigint DEFAULT NULL) RETURNS SETOF @schema.task
  LANGUAGE plpgsql STABLE SECURITY DEFINER ROWS 100
  SET search_path = pg_catalog, pg_temp
  SET enable_seqscan = off SET enable_indexscan = off SET enable_indexonlyscan = off SET work_mem = '32MB'
  SET max_parallel_workers_per_gather = 0 SET jit = off
AS $body$
DECLARE
  caller text := @schema.taskmaster_caller();
  terms tsquery := @schema.terms_wanted(caller, wanted, tags, is_sample);
  key text := CASE sort_by
    WHEN 'created_at' THEN 't.created_at' WHEN 'updated_at' THEN 't.updated_at' WHEN 'title' THEN 't.title COLLATE "C"'
    WHEN 'due' THEN $$(CASE WHEN t.deadline IS NULL THEN 'infinity' ELSE t.deadline END)$$
    WHEN 'priority' THEN $$(CASE t.priority WHEN 'low' THEN 0::smallint WHEN 'medium' THEN 1::smallint
                                            WHEN 'high' THEN 2::smallint ELSE 3::smallint END)$$ END;
  of_type text := CASE sort_by WHEN 'title' THEN 'text' WHEN 'priority' THEN 'smallint' ELSE 'timestamptz' END;
  title text := '@schema.searched_text(t.search_title, t.search_version, t.version, t.title)';
  description text := '@schema.searched_text(t.search_description, t.search_version, t.version, t.description)';
  within text := '';
BEGIN
  -- Not behind a place alone: the planner would take the range in the index of the order and no terms.
  IF key IS NOT NULL AND to_key IS NOT NULL THEN
    within := format(' AND @schema.user_key(t.user_id) = @schema.user_key($2) AND t.completed = ANY ($3)'
                     ' AND (%s, t.task_id) %s (%L::%s, %L::bigint)',
                     key, CASE WHEN descending THEN '>=' ELSE '<=' END, to_key, of_type, to_id);
    IF from_key IS NOT NULL THEN
      within := within || format(' AND (%s, t.task_id) %s (%L::%s, %L::bigint)',
                                 key, CASE WHEN descending THEN '<' ELSE '>' END, from_key, of_type, from_id);
    END IF;
  END IF;
  -- Up to a place, what the planner would expect of the terms is kept from it: it would rather read thousands of tasks than
  -- the range in the index.
  RETURN QUERY EXECUTE
    'SELECT t.* FROM @schema.task t WHERE @schema.task_terms(t.task_id, t.user_id, ' || title || ', ' || description || ', t.tags) @@ '
    || CASE WHEN to_key IS NULL THEN '$1' ELSE '(SELECT $1)' END || ' AND t.user_id = $2' || within
    || CASE WHEN wanted <> '' THEN ' AND (strpos(' || title || ', $4) > 0 OR strpos(' || description || ', $4) > 0)' ELSE '' END
    USING terms, caller, CASE WHEN completed IS NULL THEN '{f,t}'::boolean[] ELSE ARRAY[completed] END, wanted;
END $body$
$definition$, '@schema', quote_ident(current_schema()));

-- For functions of the release before: as long as the index is there that they know, and by the new one after that.
  EXECUTE replace($definition$
CREATE OR REPLACE FUNCTION @schema.tasks_with_terms(wanted text, tags text[]) RETURNS SETOF @schema.task
  LANGUAGE plpgsql STABLE SECURITY DEFINER ROWS 100
  SET search_path = pg_catalog, pg_temp
  SET enable_seqscan = off SET enable_indexscan = off SET enable_indexonlyscan = off SET work_mem = '32MB'
  SET max_parallel_workers_per_gather = 0 SET jit = off
AS $body$
DECLARE
  caller text := @schema.taskmaster_caller();
BEGIN
  IF to_regclass('@schema.task_found_by_terms') IS NULL THEN
    RETURN QUERY SELECT * FROM @schema.tasks_found(wanted, tags, false);
    RETURN;
  END IF;
  RETURN QUERY
  SELECT t.* FROM @schema.task t
   WHERE @schema.task_terms(
           t.user_id, @schema.searched_text(t.search_title, t.search_version, t.version, t.title),
           @schema.searched_text(t.search_description, t.search_version, t.version, t.description), t.tags)
         @@ @schema.terms_wanted(caller, wanted, tasks_with_terms.tags, false)
     AND t.user_id = caller;
END $body$
$definition$, '@schema', quote_ident(current_schema()));
END $migration$;
DROP FUNCTION terms_wanted(text, text, text[]);
REVOKE ALL ON FUNCTION tasks_found FROM PUBLIC;
GRANT EXECUTE ON FUNCTION tasks_found TO taskmaster_user;
