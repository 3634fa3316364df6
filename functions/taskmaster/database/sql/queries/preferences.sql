-- name: hold_preferences
-- Shared by transactions that arm reminders at the user's hour of the day; exclusive for one that sets another hour. An
-- advisory lock, since a user who has set nothing has no row.
SELECT pg_advisory_xact_lock_shared(hashtextextended(taskmaster_caller(), 7461736723))

-- name: read_preferences
SELECT time_zone, day_hour, reminders, quiet_hours, channels FROM preferences

-- name: change_preferences
SELECT pg_advisory_xact_lock(hashtextextended(taskmaster_caller(), 7461736723))

-- name: save_preferences
-- Has secrets of webhooks: sent with parameters of the protocol, which the server does not log.
INSERT INTO preferences (user_id, time_zone, day_hour, reminders, quiet_hours, channels)
VALUES (%(user_id)s, %(time_zone)s, %(day_hour)s, %(reminders)s, %(quiet_hours)s, %(channels)s)
ON CONFLICT (user_id) DO UPDATE SET time_zone = excluded.time_zone, day_hour = excluded.day_hour,
  reminders = excluded.reminders, quiet_hours = excluded.quiet_hours, channels = excluded.channels
