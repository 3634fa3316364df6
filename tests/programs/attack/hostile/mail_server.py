"""A mail server (RFC 5321) that offers STARTTLS and is sound, or drips: its greeting, its answers, or its last word."""

import asyncio
import contextlib
import ssl
from collections.abc import Callable

from tests.programs.attack.hostile.drip import bytewise, drip

DRIP_SECONDS = 1.0
# Where one connection after the other is held: before TLS, behind it, and when the mail has been sent.
PLACES = ("greeting", "EHLO", "STARTTLS", "EHLO behind TLS", "MAIL", "RCPT", "DATA", "the end of DATA")


class MailServer:
    """Handles connections. `drips` is asked at each of them; `mails` counts what was taken."""

    def __init__(self, tls: ssl.SSLContext, *, drips: Callable[[], bool]) -> None:
        self._tls = tls
        self._drips = drips
        self._connections = 0
        self.mails = 0

    async def handle(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """One connection, to its end."""
        with contextlib.suppress(OSError, asyncio.IncompleteReadError):
            await self._converse(reader, writer)

    async def _converse(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        place = PLACES[self._connections % len(PLACES)] if self._drips() else ""
        self._connections += 1

        async def answer(at: str, lines: bytes) -> None:
            if at == place:
                await drip(writer, bytewise(lines[:3] + b"-", b"x"), every=DRIP_SECONDS)
            writer.write(lines)
            await writer.drain()

        secure = False
        await answer("greeting", b"220 127.0.0.1\r\n")
        while line := await reader.readline():
            match line.split(b":")[0].split()[0].upper() if line.strip() else b"":
                case b"EHLO":
                    offered = b"250 8BITMIME\r\n" if secure else b"250-STARTTLS\r\n250 8BITMIME\r\n"
                    await answer("EHLO behind TLS" if secure else "EHLO", b"250-127.0.0.1\r\n" + offered)
                case b"STARTTLS":
                    await answer("STARTTLS", b"220 go on\r\n")
                    await writer.start_tls(self._tls)
                    secure = True
                case b"MAIL":
                    await answer("MAIL", b"250 ok\r\n")
                case b"RCPT":
                    await answer("RCPT", b"250 ok\r\n")
                case b"DATA":
                    await answer("DATA", b"354 go on\r\n")
                    while await reader.readline() not in (b".\r\n", b""):
                        pass
                    await answer("the end of DATA", b"250 taken\r\n")
                    self.mails += 1
                case b"QUIT":
                    await answer("QUIT", b"221 bye\r\n")
                    return
                case _:
                    await answer("", b"250 ok\r\n")
