"""A TCP connection between two parties that can be cut, refused, slowed and held: a small relay on the loopback.

Whose a connection is, its first bytes say: `whose` reads them. A fault holds for those whose name begins so; everybody
else's connections go on.
"""

import asyncio
import contextlib
import socket
import struct
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass

from knative.local.processes import free_port

_CHUNK = 65_536
_HELD_CHECK_SECONDS = 0.02
_TRYING_SECONDS = 0.3


@dataclass(frozen=True, kw_only=True)
class Fault:
    """What holds for the connections of those whose name begins with `whose`; '' is everybody.

    `delay` is in seconds, for every chunk of bytes in either direction. Held bytes are passed on once it is over.
    """

    whose: str = ""
    refused: bool = False
    held: bool = False
    delay: float = 0.0


class Link:
    """Between `start` and `stop` it leads to 127.0.0.1:`upstream`, from a port that stays the same."""

    def __init__(self, upstream: int, *, whose: Callable[[bytes], str] = lambda first: "") -> None:
        self.port = free_port()
        self._upstream = upstream
        self._whose = whose
        self._faults: set[Fault] = set()
        self._open: dict[asyncio.StreamWriter, str] = {}
        self._server: asyncio.Server | None = None
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, name=f"link to {upstream}", daemon=True)

    def start(self) -> None:
        self._thread.start()
        asyncio.run_coroutine_threadsafe(self._listen(), self._loop).result()

    def stop(self) -> None:
        asyncio.run_coroutine_threadsafe(self._end(), self._loop).result()
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()

    def cut(self, whose: str = "") -> int:
        """Break the open connections, as a network does: with a reset. How many there were."""
        return asyncio.run_coroutine_threadsafe(self._cut(whose), self._loop).result()

    @contextlib.contextmanager
    def during(self, fault: Fault) -> Iterator[None]:
        """Let a fault hold for the block."""
        self._faults = self._faults | {fault}
        try:
            yield
        finally:
            self._faults = self._faults - {fault}

    @contextlib.contextmanager
    def gone(self) -> Iterator[None]:
        """Nobody listens on its port for the block, as if the machine behind it were off."""
        asyncio.run_coroutine_threadsafe(self._leave(), self._loop).result()
        try:
            yield
        finally:
            asyncio.run_coroutine_threadsafe(self._listen(), self._loop).result()

    async def _listen(self) -> None:
        self._server = await asyncio.start_server(self._relay, "127.0.0.1", self.port)

    async def _leave(self) -> None:
        assert self._server is not None
        self._server.close()
        await self._cut("")

    async def _end(self) -> None:
        await self._leave()
        relays = asyncio.all_tasks() - {asyncio.current_task()}
        for relay in relays:
            relay.cancel()
        await asyncio.gather(*relays, return_exceptions=True)

    async def _cut(self, whose: str) -> int:
        theirs = [writer for writer, name in self._open.items() if name.startswith(whose)]
        for writer in theirs:
            _reset(writer)
        return len(theirs)

    async def _relay(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        # Cancelled, it ends as it does otherwise: until Python 3.12 asyncio's own callback would print a traceback.
        with contextlib.suppress(OSError, asyncio.CancelledError):
            first = await reader.read(_CHUNK)
            name = self._whose(first)
            if not first or any(fault.refused for fault in self._on(name)):
                await self._hang_up(writer)
                return
            try:
                there, upstream = await asyncio.open_connection("127.0.0.1", self._upstream)
            except OSError:
                await self._hang_up(writer)
                return
            self._open |= {writer: name, upstream: name}
            try:
                upstream.write(first)
                await asyncio.gather(self._pump(reader, upstream, name), self._pump(there, writer, name))
            finally:
                for each in (writer, upstream):
                    del self._open[each]
                    each.close()

    @staticmethod
    async def _hang_up(writer: asyncio.StreamWriter) -> None:
        """As a proxy does that has tried in vain to reach what is behind it; it is no faster than that."""
        await asyncio.sleep(_TRYING_SECONDS)
        _reset(writer)

    async def _pump(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, name: str) -> None:
        """One direction, to its end; the end is passed on."""
        while chunk := await reader.read(_CHUNK):
            await asyncio.sleep(max((fault.delay for fault in self._on(name)), default=0.0))
            while any(fault.held for fault in self._on(name)):
                await asyncio.sleep(_HELD_CHECK_SECONDS)
            writer.write(chunk)
            await writer.drain()
        if writer.can_write_eof():
            writer.write_eof()

    def _on(self, name: str) -> list[Fault]:
        return [fault for fault in self._faults if name.startswith(fault.whose)]


def kafka_client(first: bytes) -> str:
    """The client_id in the first request of a connection to Kafka (request header version 1 and later)."""
    with contextlib.suppress(struct.error, UnicodeDecodeError):
        _size, _api, _version, _correlation, length = struct.unpack_from(">ihhih", first)
        return first[14 : 14 + max(length, 0)].decode()
    return ""


def _reset(writer: asyncio.StreamWriter) -> None:
    """Close without a farewell: whoever is at the other end gets ECONNRESET."""
    connection = writer.get_extra_info("socket")
    if connection is not None:
        with contextlib.suppress(OSError):
            connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    writer.transport.abort()
