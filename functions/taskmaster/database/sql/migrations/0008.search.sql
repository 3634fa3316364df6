-- What a search compares where PostgreSQL cannot fold the case: texts beyond ASCII, folded by the functions (search.py).
-- No index yet, and no default: the tables are not rewritten, and code that knows nothing of the columns goes on.

ALTER TABLE task ADD COLUMN search_title       text;     -- folded; NULL where the title is ASCII
ALTER TABLE task ADD COLUMN search_description text;     -- folded; NULL where there is none, or it is ASCII
ALTER TABLE task ADD COLUMN search_version     integer;  -- they are of this version of the task; of another they are stale
