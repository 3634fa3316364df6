"""Requests to other servers, each under a deadline that another thread enforces. Start at `deadline.within`."""
