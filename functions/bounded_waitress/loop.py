"""The loop over all connections: what each waits for is asked of it in one call, and the kernel told what has changed.

waitress's own loop asks every connection twice, through three classes, and registers all of them anew each time that
one of them has something: with sixteen clients that took as much of the interpreter as the application did. It also
has itself woken behind each answer, since it stops listening to a connection whose request is being answered; this one
stops when something comes.
"""

import select
from typing import Any

from waitress import wasyncore

READ, WRITE = select.POLLIN | select.POLLPRI, select.POLLOUT


def run(sockets: dict[int, Any], *, timeout: float) -> None:
    """Serve these sockets, by descriptor, until none is left. `timeout`: seconds until each is asked in any case."""
    poll = select.poll()
    registered: dict[int, int] = {}
    while sockets:
        wanted = {
            descriptor: flags
            for descriptor, each in list(sockets.items())
            if (flags := getattr(type(each), "interest", _interest)(each))
        }
        for descriptor in registered.keys() - wanted.keys():
            poll.unregister(descriptor)
        for descriptor, flags in wanted.items() - registered.items():
            poll.register(descriptor, flags)
        registered = wanted
        for descriptor, flags in poll.poll(timeout * 1000):
            ready = sockets.get(descriptor)
            if ready and not getattr(ready, "must_wait", _never)(flags):
                wasyncore.readwrite(ready, flags)


def _never(_flags: int) -> bool:
    """Only what is answering has to wait: neither what listens nor what ends the wait of this loop does."""
    return False


def _interest(other: Any) -> int:
    """Of a socket that listens, or of what ends the wait of this loop, as waitress says it."""
    return (READ if other.readable() else 0) | (WRITE if other.writable() and not other.accepting else 0)
