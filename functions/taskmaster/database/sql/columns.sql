-- Columns that several queries name, each list once. In a query {task_state} stands for its columns, {task_state:values} for
-- their parameters, {task_state:changes} for an assignment of each, and {inbox_key:matches} for a comparison of each.

-- columns: task_fixed
task_id, created_at

-- columns: task_state
title, description, completed, priority, tags, due_at, due_on, time_zone, reminders, snoozed_until, recurrence_pattern,
recurrence_from, recurrence_paused, series_id, occurrence, version, updated_at, completed_at

-- columns: task_derived
-- Computed from the others, for the database alone: no task that is read has them.
deadline, search_title, search_description, search_version

-- columns: series_state
recurrence_pattern, recurrence_from, time_zone, starts_at, starts_on, anchor, template, head, position, previous_position,
paused_at, ended_at, traceparent

-- columns: inbox_key
function, user_id, source, id

-- columns: inbox_row
attempts, status, answer, digest, traceparent

-- columns: outbox_row
key, topics, headers, value

-- columns: history_entry
version, at, action, door, changed

-- columns: reminder_row
reminder_id::text, task_id, moment, due_at, fired_at, attempts, outcomes, closed_at IS NOT NULL AS is_closed, reason
