"""Reminders: the dispatcher, its wake-up, delivery by webhook and mail. Start at `dispatcher.Dispatcher`."""
