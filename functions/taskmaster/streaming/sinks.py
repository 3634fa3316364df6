"""Where the bytes of a stream go: to the server of a pod, which keeps the answer open, or to any other WSGI server."""

from collections.abc import Iterator
from queue import SimpleQueue
from typing import Protocol


class Sink(Protocol):
    """The open end of one answer."""

    @property
    def is_open(self) -> bool: ...
    @property
    def pending(self) -> int:
        """Bytes that the client has not taken yet."""
        ...

    def write(self, data: bytes) -> None: ...
    def end(self) -> None: ...


class QueueSink:
    """The body of an answer on a server that gives each request a thread: it waits for the next bytes."""

    def __init__(self) -> None:
        self._queue: SimpleQueue[bytes | None] = SimpleQueue()
        self.is_open = True

    @property
    def pending(self) -> int:
        return self._queue.qsize()

    def write(self, data: bytes) -> None:
        self._queue.put(data)

    def end(self) -> None:
        self.is_open = False
        self._queue.put(None)

    def body(self) -> Iterator[bytes]:
        """The answer, until `end`; the server closes it where the client has gone."""
        try:
            while (data := self._queue.get()) is not None:
                yield data
        finally:
            self.is_open = False
