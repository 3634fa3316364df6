-- The two logins of the functions. Neither owns a table, neither bypasses row-level security.
-- `taskmaster migrate` gives them the passwords that DATABASE_URL and SYSTEM_DATABASE_URL hold.

DO $$ BEGIN
  IF NOT EXISTS (SELECT FROM pg_roles WHERE rolname = 'taskmaster_user') THEN CREATE ROLE taskmaster_user LOGIN; END IF;
  IF NOT EXISTS (SELECT FROM pg_roles WHERE rolname = 'taskmaster_system') THEN CREATE ROLE taskmaster_system LOGIN; END IF;
EXCEPTION WHEN duplicate_object OR unique_violation THEN NULL;  -- a migration of another database was faster
END $$;

-- Session settings belong to the logins, because a pooler in transaction mode keeps none that a client sets.
-- A handler gives up before Knative does; a publisher may wait for its broker.
ALTER ROLE taskmaster_user SET timezone = 'UTC';
ALTER ROLE taskmaster_user SET lock_timeout = '3s';
ALTER ROLE taskmaster_user SET statement_timeout = '10s';
ALTER ROLE taskmaster_user SET idle_in_transaction_session_timeout = '20s';
ALTER ROLE taskmaster_system SET timezone = 'UTC';
ALTER ROLE taskmaster_system SET lock_timeout = '3s';
ALTER ROLE taskmaster_system SET statement_timeout = '20s';
ALTER ROLE taskmaster_system SET idle_in_transaction_session_timeout = '120s';
