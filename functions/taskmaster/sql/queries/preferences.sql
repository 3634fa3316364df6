-- name: read_preferences
SELECT time_zone, day_hour, quiet_hours, channels FROM preferences

-- name: lock_preferences
SELECT time_zone, day_hour, quiet_hours, channels FROM preferences FOR UPDATE

-- name: keep_preferences
INSERT INTO preferences (user_id, time_zone, day_hour, quiet_hours, channels)
VALUES (%(user_id)s, %(time_zone)s, %(day_hour)s, %(quiet_hours)s, %(channels)s)
ON CONFLICT (user_id) DO UPDATE SET time_zone = excluded.time_zone, day_hour = excluded.day_hour,
  quiet_hours = excluded.quiet_hours, channels = excluded.channels
