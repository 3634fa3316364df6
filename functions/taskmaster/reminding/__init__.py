"""Reminders: the dispatcher, its wake-up, delivery by webhook, Apprise and mail. Start at `dispatcher.Dispatcher`."""
