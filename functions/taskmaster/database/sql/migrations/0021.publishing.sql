-- A claim by one call whose plans the server keeps for as long as its connection lives. To plan these statements anew each
-- time, as a transaction without prepared statements does, took four times as long as to execute them.
DO $migration$ BEGIN
  EXECUTE replace($definition$
-- The rows of the outbox to publish next, locked until the transaction ends; locked rows are skipped.
--
-- First the oldest rows of each of the keys `behind`, in order and at most `each` of one, by the index alone. The first row
-- of a key is locked, and stands for those behind it: whoever has no lock on the first takes none of them.
--
-- Where there is none of these, the oldest row of each key, at most `most`: the rows behind it wait until it is deleted.
-- Users take turns: the first key of every user, then the second. The oldest 1,000 rows are read, and where these belong to
-- a few users, also the first rows of the other users. Those that have `failed` are left out.
--
-- Where there is none of these either, up to 50 without turns, from key to key: rows behind those that were read, where all of
-- these are locked or have failed. A key with many rows is one step.
--
-- The values have no more than so many `bytes`, because the next publisher waits for this claim.
CREATE FUNCTION @schema.claim_outbox(behind text[], "each" integer, most integer, failed bigint[], bytes bigint)
RETURNS TABLE (id bigint, key text, topics text[], headers jsonb, value bytea, waited double precision)
LANGUAGE plpgsql VOLATILE
SET search_path = pg_catalog, pg_temp
-- There are no statistics of a table that was just empty.
SET plan_cache_mode = force_generic_plan
SET enable_seqscan = off SET enable_bitmapscan = off SET enable_hashjoin = off SET enable_mergejoin = off
AS $body$
#variable_conflict use_column
BEGIN
  IF cardinality(behind) > 0 THEN
    RETURN QUERY
    WITH first AS MATERIALIZED (
      SELECT o.id, o.key FROM unnest(behind) AS published (key)
        JOIN @schema.outbox o ON o.id = (SELECT min(e.id) FROM @schema.outbox e WHERE e.key = published.key)
         FOR UPDATE OF o SKIP LOCKED),
    queue AS (
      SELECT own.id, sum(own.size) OVER (ORDER BY own.turn, own.id) - own.size AS before
        FROM first, LATERAL (
        SELECT o.id, octet_length(o.value) AS size, row_number() OVER (ORDER BY o.id) AS turn FROM @schema.outbox o
         WHERE o.key = first.key AND o.id >= first.id ORDER BY o.id LIMIT "each") AS own)
    SELECT o.id, o.key, o.topics, o.headers, o.value, extract(epoch FROM clock_timestamp() - o.created_at)::float8
      FROM queue q JOIN @schema.outbox o ON o.id = q.id WHERE q.before < bytes ORDER BY o.id;
    IF FOUND THEN RETURN; END IF;
  END IF;

  RETURN QUERY
  WITH RECURSIVE
  oldest AS MATERIALIZED (
    SELECT o.id, o.key, o.user_id, octet_length(o.value) AS size FROM @schema.outbox o ORDER BY o.id LIMIT 1000),
  step AS (
    (SELECT o.user_id FROM @schema.outbox o
      WHERE (SELECT count(*) = 1000 AND count(DISTINCT user_id) < most FROM oldest) ORDER BY o.user_id LIMIT 1)
    UNION ALL
    SELECT beyond.user_id FROM step, LATERAL (
      SELECT o.user_id FROM @schema.outbox o WHERE o.user_id > step.user_id ORDER BY o.user_id LIMIT 1) AS beyond),
  candidate AS (
    SELECT * FROM oldest
    UNION
    SELECT first.* FROM (SELECT user_id FROM step LIMIT 1000) AS hidden, LATERAL (
      SELECT o.id, o.key, o.user_id, octet_length(o.value) AS size FROM @schema.outbox o
       WHERE o.user_id = hidden.user_id ORDER BY o.id LIMIT 10) AS first),
  queue AS (
    SELECT c.id, c.size, row_number() OVER (PARTITION BY c.user_id ORDER BY c.id) AS turn FROM candidate c
     WHERE c.id <> ALL (failed) AND NOT EXISTS (SELECT FROM @schema.outbox e WHERE e.key = c.key AND e.id < c.id))
  SELECT o.id, o.key, o.topics, o.headers, o.value, extract(epoch FROM clock_timestamp() - o.created_at)::float8
    FROM (SELECT q.id, q.turn, sum(q.size) OVER (ORDER BY q.turn, q.id) - q.size AS before FROM queue q) AS q
    JOIN @schema.outbox o ON o.id = q.id
   WHERE q.before < bytes
   ORDER BY q.turn, q.id LIMIT most FOR UPDATE OF o SKIP LOCKED;
  IF FOUND THEN RETURN; END IF;

  RETURN QUERY
  WITH RECURSIVE step AS (
    (SELECT o.key, o.id FROM @schema.outbox o ORDER BY o.key, o.id LIMIT 1)
    UNION ALL
    SELECT beyond.key, beyond.id FROM step, LATERAL (
      SELECT o.key, o.id FROM @schema.outbox o WHERE o.key > step.key ORDER BY o.key, o.id LIMIT 1) AS beyond)
  SELECT o.id, o.key, o.topics, o.headers, o.value, extract(epoch FROM clock_timestamp() - o.created_at)::float8
    FROM step JOIN @schema.outbox o ON o.id = step.id
   WHERE o.id <> ALL (failed) LIMIT 50 FOR UPDATE OF o SKIP LOCKED;
END $body$;
REVOKE ALL ON FUNCTION @schema.claim_outbox FROM PUBLIC;
GRANT EXECUTE ON FUNCTION @schema.claim_outbox TO taskmaster_system;
$definition$, '@schema', quote_ident(current_schema()));
END $migration$;
