"""The rules of tasks, series, recurrence and reminders, without I/O and without a clock. Start at `task.Task`."""
