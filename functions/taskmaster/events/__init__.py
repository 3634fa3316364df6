"""CloudEvents on the wire: received, outgoing, and the topics of each type. Start at `cloudevent.Received`."""
