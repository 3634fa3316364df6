"""Webhook receivers that hold whoever calls them: by silence, by dripping, before TLS, in TLS and behind it."""

import asyncio
import threading
from collections.abc import Mapping
from pathlib import Path
from types import TracebackType
from typing import Self

from tests.programs.attack.hostile.drip import Handler, bytewise, drip, patient
from tests.programs.attack.trust import server_side

DRIP_SECONDS = 1.0  # between two bytes, well below every time-out of a single read


async def _silent(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    await asyncio.sleep(3600)


async def _dripping_status(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    await reader.readuntil(b"\r\n\r\n")
    await drip(writer, bytewise(b"HTTP/1.1 200 ", b"O"), every=DRIP_SECONDS)


async def _dripping_headers(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    await reader.readuntil(b"\r\n\r\n")
    writer.write(b"HTTP/1.1 200 OK\r\nX-Slow: ")
    await drip(writer, bytewise(b"", b"y"), every=DRIP_SECONDS)


async def _endless_continue(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    await reader.readuntil(b"\r\n\r\n")
    while True:
        writer.write(b"HTTP/1.1 100 Continue\r\n\r\n")
        await writer.drain()
        await asyncio.sleep(DRIP_SECONDS)


async def _dripping_body(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    await reader.readuntil(b"\r\n\r\n")
    writer.write(b"HTTP/1.1 503 Service Unavailable\r\nContent-Length: 1000000\r\n\r\n")
    await drip(writer, bytewise(b"", b"z"), every=DRIP_SECONDS)


async def _dripping_handshake(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """A record of TLS 1.2, type 22 (handshake), that says it has 16,384 bytes."""
    await reader.read(1)
    await drip(writer, bytewise(b"\x16\x03\x03\x40\x00\x02\x00\x3f\xfc", b"\x00"), every=DRIP_SECONDS)


# By name: what is done, and whether that is behind TLS.
KINDS: Mapping[str, tuple[Handler, bool]] = {
    "dripping-status": (_dripping_status, True),
    "dripping-headers": (_dripping_headers, True),
    "endless-continue": (_endless_continue, True),
    "dripping-body": (_dripping_body, True),
    "silent": (_silent, True),
    "no-handshake": (_silent, False),
    "dripping-handshake": (_dripping_handshake, False),
}


class Receivers:
    """One server for each of these kinds, on the loopback, while the context is entered. `urls` are by kind."""

    def __init__(self, certificate: Path, *kinds: str) -> None:
        self._certificate = certificate
        self._kinds = kinds
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._run, name="hostile-receivers", daemon=True)
        self._ready = threading.Event()
        self._servers: list[asyncio.Server] = []
        self.urls: dict[str, str] = {}
        self.taken = 0  # connections so far

    def __enter__(self) -> Self:
        self._thread.start()
        self._ready.wait()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        asyncio.run_coroutine_threadsafe(self._hang_up(), self._loop).result()
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()

    def _run(self) -> None:
        self._loop.run_until_complete(self._listen())
        self._ready.set()
        self._loop.run_forever()
        self._loop.close()

    async def _hang_up(self) -> None:
        for server in self._servers:
            server.close()
        tasks = asyncio.all_tasks() - {asyncio.current_task()}
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        await asyncio.sleep(0.05)  # for what the transports still have to do in this loop

    async def _listen(self) -> None:
        for kind in self._kinds:
            handler, behind_tls = KINDS[kind]
            context = server_side(self._certificate) if behind_tls else None
            server = await asyncio.start_server(self._counted(handler), "127.0.0.1", 0, ssl=context, backlog=1024)
            self._servers.append(server)
            self.urls[kind] = f"https://127.0.0.1:{server.sockets[0].getsockname()[1]}/{kind}"

    def _counted(self, handler: Handler) -> Handler:
        patiently = patient(handler)

        async def handle(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            self.taken += 1
            try:
                await patiently(reader, writer)
            except asyncio.CancelledError:
                writer.transport.abort()

        return handle
