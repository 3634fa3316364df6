"""What stands around the platform: https in front of the gateway, the issuer of its tokens, and its mail server."""

import asyncio
import contextlib
from dataclasses import dataclass
from multiprocessing.synchronize import Event
from pathlib import Path
from typing import Any

from tests.programs.attack.hostile.drip import patient
from tests.programs.attack.hostile.issuer_server import IssuerServer
from tests.programs.attack.hostile.mail_server import MailServer
from tests.programs.attack.trust import server_side

_PIECE = 65_536


@dataclass(frozen=True, kw_only=True)
class Ports:
    """Loopback ports. The gateway is the stand-in's own, by http; `https` is in front of it."""

    gateway: int
    https: int
    issuer: int
    mail: int

    @property
    def issuer_url(self) -> str:
        return f"https://127.0.0.1:{self.issuer}/realm"


@dataclass(frozen=True, kw_only=True)
class Switches:
    """Set by whoever attacks: from then on the issuer, or the mail server, drips. `over` ends the process."""

    issuer_drips: Event
    mail_drips: Event
    ready: Event
    over: Event


def surround(ports: Ports, certificate: Path, keys: list[dict[str, Any]], switches: Switches) -> None:
    """Serve until told that it is over; a process of its own."""
    asyncio.run(_surround(ports, certificate, keys, switches))


async def _surround(ports: Ports, certificate: Path, keys: list[dict[str, Any]], switches: Switches) -> None:
    tls = server_side(certificate)
    issuer = IssuerServer(ports.issuer_url, keys, drips=switches.issuer_drips.is_set)
    mail = MailServer(tls, drips=switches.mail_drips.is_set)

    async def to_gateway(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        inside = await asyncio.open_connection("127.0.0.1", ports.gateway)
        try:
            await _both_ways(reader, writer, *inside)
        finally:
            inside[1].close()

    servers = [
        await asyncio.start_server(patient(to_gateway), "127.0.0.1", ports.https, ssl=tls, backlog=1024),
        await asyncio.start_server(patient(issuer.handle), "127.0.0.1", ports.issuer, ssl=tls, backlog=1024),
        await asyncio.start_server(patient(mail.handle), "127.0.0.1", ports.mail, backlog=1024),
    ]
    switches.ready.set()
    while not switches.over.is_set():
        await asyncio.sleep(0.2)
    for server in servers:
        server.close()


async def _both_ways(
    reader: asyncio.StreamReader,
    writer: asyncio.StreamWriter,
    inside_reader: asyncio.StreamReader,
    inside_writer: asyncio.StreamWriter,
) -> None:
    """Pass on what comes, until either side ends; bytes as they are, so that whatever is slow stays slow."""
    ways = [
        asyncio.create_task(_pass_on(reader, inside_writer)),
        asyncio.create_task(_pass_on(inside_reader, writer)),
    ]
    try:
        await asyncio.wait(ways, return_when=asyncio.FIRST_COMPLETED)
    finally:
        for way in ways:
            way.cancel()
        await asyncio.gather(*ways, return_exceptions=True)


async def _pass_on(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    with contextlib.suppress(OSError):
        while piece := await reader.read(_PIECE):
            writer.write(piece)
            await writer.drain()
