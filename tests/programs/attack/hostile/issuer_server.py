"""An OpenID issuer's two documents over https: at once, or one byte every two seconds."""

import asyncio
import json
from collections.abc import Callable, Sequence
from typing import Any

from tests.programs.attack.hostile.drip import drip

DRIP_SECONDS = 2.0


class IssuerServer:
    """Handles connections. `drips` is asked at each of them."""

    def __init__(self, url: str, keys: Sequence[dict[str, Any]], *, drips: Callable[[], bool]) -> None:
        self._about = json.dumps({"issuer": url, "jwks_uri": f"{url}/keys"}).encode()
        self._keys = json.dumps({"keys": list(keys)}).encode()
        self._drips = drips

    async def handle(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """One request, answered and over. Raises OSError when the other side hangs up."""
        request = await reader.readuntil(b"\r\n\r\n")
        body = self._keys if b"/keys " in request.partition(b"\r\n")[0] else self._about
        head = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nConnection: close\r\nContent-Length: %d\r\n\r\n"
        writer.write(head % len(body))
        if self._drips():
            await drip(writer, (bytes([each]) for each in body), every=DRIP_SECONDS)
        else:
            writer.write(body)
        await writer.drain()
