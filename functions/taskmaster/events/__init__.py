"""CloudEvents on the wire: what comes in, what goes out, to which topics. Start at `cloudevent.decode`."""
