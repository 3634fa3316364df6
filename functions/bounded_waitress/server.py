"""The listening socket: it accepts within a number of connections, and looks after their time."""

import contextlib
import threading
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any

from waitress.adjustments import Adjustments
from waitress.server import MultiSocketServer, TcpWSGIServer
from waitress.task import ThreadedTaskDispatcher

from bounded_waitress import loop
from bounded_waitress.channel import Channel
from bounded_waitress.fair_queue import FairQueue
from bounded_waitress.limits import Limits
from bounded_waitress.postponing import WaitingRoom

_AT_ONCE = 64  # connections that are accepted before those that are there are looked at again
_NO_FILES = 2**31 - 1  # bytes in memory: what limits allow stays below

Application = Callable[[dict[str, Any], Callable[..., Any]], Iterable[bytes]]


class Server(TcpWSGIServer):  # type: ignore[misc]
    channel_class = Channel

    def __init__(self, *args: Any, limits: Limits, **options: Any) -> None:
        self.limits = limits
        self._answering = threading.local()
        self._has_room = True  # for a further connection, as the loop has been told
        super().__init__(*args, **options)
        self.waiting_room = WaitingRoom(self.add_task)

    def run(self) -> None:
        try:
            loop.run(self._map, timeout=self.adj.asyncore_loop_timeout)
        except (SystemExit, KeyboardInterrupt):
            self.task_dispatcher.shutdown()

    @property
    def held(self) -> int:
        """Bytes of bodies on their way, over all connections."""
        return sum(each.held for each in self._channels())

    def readable(self) -> bool:
        if not super().readable():  # which also calls maintenance, once a second
            return False
        self._has_room = len(self.active_channels) < self.limits.connections or self._most_dispensable() is not None
        return self._has_room

    @contextlib.contextmanager
    def answering(self, channel: Channel) -> Iterator[None]:
        """This thread answers a request of that connection."""
        self._answering.channel = channel
        try:
            yield
        finally:
            self._answering.channel = None

    def pull_trigger(self) -> None:
        """Wake the loop. waitress does it behind every answer, and few answers need it."""
        channel = getattr(self._answering, "channel", None)
        if channel is None or channel.needs_the_loop or not self._has_room:
            super().pull_trigger()

    def handle_accept(self) -> None:
        for _ in range(_AT_ONCE):
            before = len(self.active_channels)
            super().handle_accept()
            if len(self.active_channels) == before:
                break
        # Behind accept, not before it: a number of a socket that was closed would be given to the new one, and what
        # poll said of the old one would be taken for the new one's.
        while len(self.active_channels) > self.limits.connections and (least := self._most_dispensable()):
            least.close()

    def maintenance(self, now: float) -> None:
        """Called by the loop: clients that keep it waiting, and answers that nobody takes, come to an end."""
        moment = time.monotonic()
        for channel in self._channels():
            channel.keep_time(moment)
        waiting = sorted(self._channels(), key=lambda channel: channel.total_outbufs_len, reverse=True)
        total = sum(channel.total_outbufs_len for channel in waiting)
        while total > self.limits.answers:
            largest = waiting.pop(0)
            total -= largest.total_outbufs_len
            largest.close()

    def relieve_soon(self) -> None:
        """Have the loop look at once, from another thread, whether more answers wait than there is room for."""
        if sum(channel.total_outbufs_len for channel in self._channels()) > self.limits.answers:
            self.next_channel_cleanup = 0
            super().pull_trigger()

    def _channels(self) -> list[Channel]:
        return list(self.active_channels.values())

    def _most_dispensable(self) -> Channel | None:
        ranked = [(rank, number) for number, each in self.active_channels.items() if (rank := each.dispensable)]
        return self.active_channels[min(ranked)[1]] if ranked else None


class Servers(MultiSocketServer):  # type: ignore[misc]
    """Several that listen, with one loop."""

    def run(self) -> None:
        try:
            loop.run(self.map, timeout=self.adj.asyncore_loop_timeout)
        except (SystemExit, KeyboardInterrupt):
            self.close()


def create(
    application: Application,
    limits: Limits,
    *,
    host: str,
    port: int,
    threads: int = 4,
    caller: Callable[[Mapping[str, str]], str] = lambda headers: "",
    **options: Any,
) -> Any:
    """A server that listens from now on and answers from `run` on: waitress's, within limits.

    `caller` says by a request's headers (names as CONTENT_TYPE) who calls: where requests wait for a thread, callers
    take turns. `options` are waitress's own adjustments. Raises OSError and ValueError where it cannot listen there.
    """
    adjustments = Adjustments(
        host=host,
        port=port,
        threads=threads,
        ident=None,
        max_request_header_size=limits.header_bytes + 1,
        # The parser refuses before that: this one counts what frames chunks as well.
        max_request_body_size=_NO_FILES,
        inbuf_overflow=_NO_FILES,
        outbuf_overflow=_NO_FILES,
        connection_limit=_NO_FILES,
        cleanup_interval=1,
        **options,
    )
    dispatcher = ThreadedTaskDispatcher()
    dispatcher.queue = FairQueue(lambda channel: channel.caller(caller))
    sockets: dict[int, Any] = {}
    servers = [
        Server(application, sockets, dispatcher=dispatcher, adj=adjustments, sockinfo=each, limits=limits)
        for each in adjustments.listen
    ]
    dispatcher.set_thread_count(adjustments.threads)
    if len(servers) == 1:
        return servers[0]
    listening = [(each.effective_host, each.effective_port) for each in servers]
    return Servers(sockets, adjustments, listening, dispatcher, servers[-1].log_info)
