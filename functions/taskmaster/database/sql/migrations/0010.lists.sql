-- What the indexes of lists are made of (sql/indexes.sql). `taskmaster migrate` builds them behind the migrations, since
-- CREATE INDEX CONCURRENTLY cannot run in a transaction.

-- Four bytes in place of a user's id in an index: ids of identity providers are long, and stand in each of its entries.
-- The hash is that of hash partitioning, which no release may change. Two users may share one.
CREATE FUNCTION user_key(user_id text) RETURNS integer LANGUAGE sql IMMUTABLE STRICT PARALLEL SAFE
  RETURN (hashtextextended(user_id, 0) >> 32)::integer;

-- The text that a search compares. What was folded of this very version of the task counts. Where nothing was, the text is
-- ASCII, whose lower case is the same in every locale but some, or the row was written by code without these columns.
CREATE FUNCTION searched_text(folded text, folded_version integer, version integer, plain text) RETURNS text
  LANGUAGE sql IMMUTABLE PARALLEL SAFE
  RETURN coalesce(CASE WHEN folded_version = version THEN folded END,
                  lower(lower(plain COLLATE "C") COLLATE "default"));

-- What a task can be found by in the index: each pair of neighbouring characters of its title and of its description (the
-- last character by itself), each tag, and its user. Of a pair of a space and the beginning of a word only the space is
-- kept, which saves a seventh. Pairs begin with a small letter and tags with two capital ones, which of four and which of
-- 256 says the user's key: the lists of one user are not as long as everybody's. More letters for pairs would take much
-- space; tags are few.
CREATE FUNCTION task_terms(user_id text, title text, description text, tags text[]) RETURNS tsvector
  LANGUAGE plpgsql IMMUTABLE PARALLEL SAFE SET search_path = pg_catalog, pg_temp AS $$
DECLARE
  key integer := (hashtextextended(user_id, 0) >> 32)::integer;
  pairs text := chr(97 + (key & 3));
  of_tags text := chr(65 + (key & 15)) || chr(65 + ((key >> 4) & 15));
BEGIN
  RETURN array_to_tsvector(
    array(SELECT pairs || first || CASE WHEN first = ' ' AND second <> ' ' THEN '' ELSE coalesce(second, '') END
            FROM unnest(string_to_array(title, NULL), string_to_array(substr(title, 2), NULL)) AS pair (first, second)
          UNION ALL
          SELECT pairs || first || CASE WHEN first = ' ' AND second <> ' ' THEN '' ELSE coalesce(second, '') END
            FROM unnest(string_to_array(description, NULL), string_to_array(substr(description, 2), NULL))
                 AS pair (first, second)
          UNION ALL
          SELECT of_tags || tag FROM unnest(tags) AS tag)
    || ('@' || to_hex(key)));
END $$;

-- The condition on task_terms under which a task of this user may have the text as a part, and has the tags. `wanted` is
-- folded. The list of a user is as long as their tasks, and is left out where a tag says nearly as much. A text of one
-- character is the beginning of a pair. Of a long one a few pairs are enough: each costs a look at
-- its list for each candidate.
CREATE FUNCTION terms_wanted(user_id text, wanted text, tags text[]) RETURNS tsquery
  LANGUAGE plpgsql IMMUTABLE PARALLEL SAFE SET search_path = pg_catalog, pg_temp AS $$
DECLARE
  key integer := (hashtextextended(user_id, 0) >> 32)::integer;
  pairs text := chr(97 + (key & 3));
  of_tags text := chr(65 + (key & 15)) || chr(65 + ((key >> 4) & 15));
  found text := coalesce(nullif(ltrim(wanted, ' '), ''), left(wanted, 2));
BEGIN
  RETURN (
    SELECT string_agg('''' || replace(replace(term, '\', '\\'), '''', '''''') || '''' || suffix, ' & ')::tsquery
      FROM (SELECT '@' || to_hex(key) AS term, '' AS suffix WHERE coalesce(cardinality(tags), 0) = 0
            UNION ALL
            SELECT of_tags || tag, '' FROM unnest(tags) AS tag
            UNION ALL
            SELECT pairs || found, ':*' WHERE length(found) = 1
            UNION ALL
            SELECT pairs || substr(found, place, 2), ''
              FROM generate_series(1, length(found) - 1, 1 + (length(found) - 2) / 6) AS place
             WHERE substr(found, place, 1) <> ' ' OR substr(found, place, 2) = '  ') AS terms);
END $$;

-- The caller's tasks that have these tags and may have this text; nobody else's, whatever it is given. With the owner's
-- rights, since no condition on task_terms may use an index under row-level security. A list compares the text, picks the
-- tasks of a page and reads these with its own rights.
DO $migration$ BEGIN
  EXECUTE replace($definition$
CREATE FUNCTION @schema.tasks_with_terms(wanted text, tags text[]) RETURNS SETOF @schema.task
  LANGUAGE plpgsql STABLE SECURITY DEFINER ROWS 100
  SET search_path = pg_catalog, pg_temp
  SET enable_seqscan = off SET enable_indexscan = off SET enable_indexonlyscan = off SET work_mem = '32MB'
  SET max_parallel_workers_per_gather = 0 SET jit = off
AS $body$
DECLARE
  caller text := @schema.taskmaster_caller();
BEGIN
  RETURN QUERY
  SELECT t.* FROM @schema.task t
   WHERE @schema.task_terms(
           t.user_id, @schema.searched_text(t.search_title, t.search_version, t.version, t.title),
           @schema.searched_text(t.search_description, t.search_version, t.version, t.description), t.tags)
         @@ @schema.terms_wanted(caller, wanted, tasks_with_terms.tags)
     AND t.user_id = caller;
END $body$
$definition$, '@schema', quote_ident(current_schema()));
END $migration$;
REVOKE ALL ON FUNCTION tasks_with_terms FROM PUBLIC;
GRANT EXECUTE ON FUNCTION tasks_with_terms TO taskmaster_user;

-- The same rows as before. The key, which comes from the policy itself, may be looked up in an index; the id decides.
ALTER POLICY own ON task
  USING (user_key(user_id) = user_key(taskmaster_caller()) AND user_id = (SELECT taskmaster_caller()))
  WITH CHECK (user_id = taskmaster_caller());
