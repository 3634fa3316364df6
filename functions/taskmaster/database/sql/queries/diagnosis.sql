-- name: login
-- Who is asking, as the catalog has it. Readable by every login.
SELECT r.rolname, r.rolsuper OR r.rolbypassrls, r.rolconfig, pg_backend_pid(), clock_timestamp()
  FROM pg_roles r WHERE r.rolname = current_user

-- name: has_schema
SELECT to_regclass('task') IS NOT NULL AND to_regclass('inbox') IS NOT NULL

-- name: applied_migrations
SELECT migration_id FROM _yoyo_migration

-- name: owned_tables
SELECT c.relname FROM pg_class c
 WHERE c.relnamespace = current_schema()::regnamespace AND c.relkind = 'r' AND pg_has_role(c.relowner, 'USAGE')
 ORDER BY c.relname

-- name: unprotected_tables
-- Tables with rows of users that show everybody's, since row-level security is off.
SELECT c.relname FROM pg_class c JOIN pg_attribute a ON a.attrelid = c.oid
 WHERE c.relnamespace = current_schema()::regnamespace AND c.relkind = 'r' AND a.attname = 'user_id'
   AND NOT a.attisdropped AND NOT c.relrowsecurity
 ORDER BY c.relname

-- name: missing_rights
-- Tables with a policy for this login on which it may not do what the policy is about: the grants were lost.
SELECT DISTINCT c.relname FROM pg_policy p JOIN pg_class c ON c.oid = p.polrelid
 WHERE c.relnamespace = current_schema()::regnamespace
   AND p.polroles @> ARRAY[(SELECT oid FROM pg_roles WHERE rolname = current_user)]
   AND NOT CASE p.polcmd WHEN 'a' THEN has_any_column_privilege(c.oid, 'INSERT')
                         WHEN 'w' THEN has_any_column_privilege(c.oid, 'UPDATE')
                         WHEN 'd' THEN has_table_privilege(c.oid, 'DELETE')
                         ELSE has_any_column_privilege(c.oid, 'SELECT') END
 UNION
SELECT c.relname FROM pg_class c
 WHERE c.relnamespace = current_schema()::regnamespace AND c.relname = 'alarm' AND NOT has_table_privilege(c.oid, 'SELECT')
 ORDER BY 1

-- name: connections
SELECT sum(numbackends)::int,
       current_setting('max_connections')::int - current_setting('superuser_reserved_connections')::int
  FROM pg_stat_database


-- name: outbox_waiting
SELECT count(*), min(created_at) FROM outbox

-- name: outbox_oldest
-- The oldest row of each of the keys that wait longest, for why it is not published.
SELECT o.headers, o.topics, octet_length(o.value), o.created_at
  FROM (SELECT id FROM outbox ORDER BY id LIMIT 1000) AS oldest JOIN outbox o USING (id)
 WHERE o.created_at < now() - %(age)s AND NOT EXISTS (SELECT FROM outbox e WHERE e.key = o.key AND e.id < o.id)
 ORDER BY o.id LIMIT 100

-- name: attempts_of_event
SELECT attempts, status, received_at FROM inbox WHERE function = %(function)s AND id = %(id)s
 ORDER BY received_at DESC LIMIT 1

-- name: attempts_of_record
-- Of a record without an id of its own, whose id in the inbox is its place and its time.
SELECT attempts, status, received_at FROM inbox WHERE function = %(function)s AND starts_with(id, %(id)s)
 ORDER BY received_at DESC LIMIT 1

-- name: retried
-- Events that failed more than once and are not answered yet, by function.
SELECT function, count(*), max(attempts) FROM inbox WHERE status IS NULL AND attempts > 1 GROUP BY function ORDER BY function

-- name: reminders
-- By business time: how many should have been fired, the oldest of them, and the next one to come.
SELECT count(*) FILTER (WHERE due_at <= %(now)s::timestamptz - %(late)s), min(due_at) FILTER (WHERE due_at <= %(now)s),
       min(due_at) FILTER (WHERE due_at > %(now)s)
  FROM reminder WHERE fired_at IS NULL AND closed_at IS NULL

-- name: under_way
-- Fired and neither sent nor failed for so long, by business time: their delivery died, or waits on the topic.
SELECT count(*), min(fired_at) FROM reminder
 WHERE fired_at < %(now)s::timestamptz - %(late)s AND closed_at IS NULL

-- name: alarm
SELECT next_at FROM alarm

-- name: last_tick
SELECT at FROM tick WHERE function = %(function)s
