"""Streams of changes to many clients at once, as server-sent events. Start at `streams.ChangeStreams`."""
