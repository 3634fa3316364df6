"""What was done, by whom and when; and all tasks made anew from their events. Start at `rebuild.rebuild`."""
