"""The base of every exception that the pack raises; each class stands beside what raises it."""


class TaskmasterError(Exception):
    """Something that the pack raises on purpose. A subclass for each failure that somebody handles differently."""
