"""The pack at work, for those who may see it: pods, events, dead letters. Start at `door.shown_to_viewers`."""
