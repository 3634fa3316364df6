"""HTTP in and out: the decorators that make a handler a function, and a person's call. Start at `door.operation`."""
