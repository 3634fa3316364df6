-- name: inbox_of
-- What became of events, by the keys of their rows. A record that does not say its source has that of its KafkaSource,
-- which it does not know.
SELECT i.function, i.user_id, asked.source, i.id, i.attempts, i.status, i.answer ->> 'reason', i.received_at
  FROM (SELECT DISTINCT * FROM unnest(%(functions)s::text[], %(user_ids)s::text[], %(sources)s::text[], %(ids)s::text[])
            AS asked (function, user_id, source, id)) AS asked
  JOIN inbox i ON i.function = asked.function AND i.user_id = asked.user_id AND i.id = asked.id
              AND asked.source IN ('', i.source)

-- name: outbox_of
-- Events of a story that nobody has published yet.
SELECT headers, created_at FROM outbox
 WHERE headers ->> 'ce_correlationid' = ANY (%(correlations)s) OR headers ->> 'ce_subject' = ANY (%(subjects)s)
 ORDER BY id LIMIT 1000

-- name: reminders_of
-- Without how their delivery went, which this login may not read: events tell that.
SELECT reminder_id::text, task_id, user_id, moment, due_at, fired_at, closed_at FROM reminder
 WHERE task_id = ANY (%(tasks)s) OR reminder_id::text = ANY (%(reminders)s)
 ORDER BY moment LIMIT 1000

-- name: outcomes_of
-- The same as the user's own login may read it.
SELECT reminder_id::text, attempts, outcomes FROM reminder WHERE reminder_id::text = ANY (%(reminders)s)
