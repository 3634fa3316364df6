"""A deadline over all that a call to another server does: resolving a name, connecting, TLS, reading byte by byte.

A socket's own time-out starts again with every byte, and no time-out ends the wait for a silent name server. So a call
works in a thread of its own, and its caller waits for so many seconds and no longer. Then the connections of the call
are shut down by duplicates of their descriptors: TLS takes a socket over and leaves the first object empty, but the
connection underneath is the same, and a shutdown ends it for every descriptor (shutdown(2)).
"""

import contextvars
import socket
import time
from collections.abc import Callable
from threading import Event, Lock, Thread
from typing import Generic, Protocol, TypeVar

CONNECT_SECONDS = 3.0  # for each address of a host

_T = TypeVar("_T")


class DeadlineExceeded(TimeoutError):
    """The call took longer than it may."""


class TooMuch(OSError):
    """More bytes than a valid answer has."""


class Deadline:
    """The end of one call, and the connections that end with it."""

    def __init__(self, seconds: float) -> None:
        self._end = time.monotonic() + seconds
        self._lock = Lock()
        self._over = False
        self._watched: list[socket.socket] = []

    @property
    def left(self) -> float:
        """Seconds until it is over; raises DeadlineExceeded when it is."""
        left = self._end - time.monotonic()
        if self._over or left <= 0:
            raise DeadlineExceeded("it took too long")
        return left

    def watch(self, connection: socket.socket) -> None:
        """Shut this connection down at the deadline, whatever wraps it. Raises DeadlineExceeded when it is over."""
        own = connection.dup()
        with self._lock:
            if not self._over:
                self._watched.append(own)
                return
        _shut(own)
        raise DeadlineExceeded("it took too long")

    def end(self) -> None:
        """Shut down every connection, those to come included."""
        with self._lock:
            self._over = True
            watched, self._watched = self._watched, []
        for connection in watched:
            _shut(connection)

    def connect(self, host: str, port: int, *, check: Callable[[str], None] = lambda address: None) -> socket.socket:
        """A watched connection to one of the host's addresses, all of which pass `check` before any is called.

        It is made to the address that was checked. Raises OSError, and whatever `check` raises.
        """
        found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
        for *_, address in found:
            check(str(address[0]))
        error: OSError = OSError("the name has no address")
        for family, kind, protocol, _, address in found:
            connection = socket.socket(family, kind, protocol)
            try:
                connection.settimeout(min(self.left, CONNECT_SECONDS))
                connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
                connection.connect(address)
                check(str(connection.getpeername()[0]))
                self.watch(connection)
                connection.settimeout(self.left)
            except DeadlineExceeded:
                connection.close()
                raise
            except OSError as failure:
                connection.close()
                error = failure
            except BaseException:
                connection.close()
                raise
            else:
                return connection
        raise error


class Call(Generic[_T]):
    """A call that works in a thread of its own, which starts at once."""

    def __init__(self, seconds: float, work: Callable[[Deadline], _T], *, at_end: Callable[[], None]) -> None:
        self._seconds = seconds
        self._deadline = Deadline(seconds)
        self._ended = Event()
        self._result: _T | None = None
        self._error: BaseException | None = None
        context = contextvars.copy_context()  # the ids in log lines
        # A daemon: where a name server keeps it beyond its deadline, it does not keep the process.
        self._thread = Thread(target=context.run, args=(self._run, work, at_end), name="call", daemon=True)
        self._begun = time.monotonic()
        self._thread.start()

    def result(self) -> _T:
        """The result of the call. Raises what the call raised, and DeadlineExceeded at its deadline at the latest."""
        if not self._ended.wait(max(self._seconds - (time.monotonic() - self._begun), 0.0)):
            self._deadline.end()
            raise DeadlineExceeded("it took too long")
        error, self._error = self._error, None  # its traceback leads back here: a cycle would keep what the call held
        if error is not None:
            try:
                raise error
            finally:
                del error
        return self._result  # type: ignore[return-value]

    def _run(self, work: Callable[[Deadline], _T], at_end: Callable[[], None]) -> None:
        try:
            self._result = work(self._deadline)
        except BaseException as error:
            self._error = error
        finally:
            self._deadline.end()
            at_end()
            self._ended.set()


def begin(seconds: float, work: Callable[[Deadline], _T], *, at_end: Callable[[], None] = lambda: None) -> Call[_T]:
    """Begin a call that may take so many seconds. `at_end` is called when its thread ends, which may be later."""
    return Call(seconds, work, at_end=at_end)


def within(seconds: float, work: Callable[[Deadline], _T]) -> _T:
    """The result of `work`, after so many seconds at most. Raises what it raises, and DeadlineExceeded."""
    return begin(seconds, work).result()


class Readable(Protocol):
    def readline(self, size: int, /) -> bytes: ...


class Bounded:
    """Lines of an answer, up to so many bytes of them. `readline` raises TooMuch after that."""

    def __init__(self, lines: Readable, most: int) -> None:
        self._lines = lines
        self._left = most

    def readline(self, size: int = 65_536, /) -> bytes:
        line = self._lines.readline(size)
        self._left -= len(line)
        if self._left < 0:
            raise TooMuch("the answer is too long")
        return line

    def close(self) -> None:
        close = getattr(self._lines, "close", None)
        if close:
            close()


def _shut(connection: socket.socket) -> None:
    try:
        connection.shutdown(socket.SHUT_RDWR)
    except OSError:
        pass  # closed by the other side, or not yet connected
    finally:
        connection.close()
