"""Events that could not be handled: read, explained, put back. Start at `replay.replay`."""
