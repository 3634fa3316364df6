"""Requests to somebody else, each under a deadline that another thread enforces. Start at `deadline.within`."""
