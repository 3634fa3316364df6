"""A command handled exactly once: what an operation is, its unit of work, the inbox. Start at `invocation.Invoker`."""
