"""What happened, told from what is kept anyway: topics, inbox, reminders, dead letters. Start at `telling.tell`."""
