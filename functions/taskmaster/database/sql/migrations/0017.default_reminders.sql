-- The reminders of a new task that names none: ISO 8601 durations before it is due.
ALTER TABLE preferences ADD COLUMN reminders text[];    -- NULL: one at the due time, or at the day's hour
