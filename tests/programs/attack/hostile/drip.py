"""Answers that never end: one byte now and then, and every byte as good as a promise of more."""

import asyncio
import contextlib
from collections.abc import Awaitable, Callable, Iterable
from itertools import chain, cycle

Handler = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]


async def drip(writer: asyncio.StreamWriter, pieces: Iterable[bytes], *, every: float, count: int = 0) -> None:
    """Write one piece every so many seconds, until there are no more, or the other side hangs up. Raises OSError."""
    for number, piece in enumerate(pieces):
        if count and number >= count:
            return
        writer.write(piece)
        await writer.drain()
        await asyncio.sleep(every)


def bytewise(beginning: bytes, then: bytes) -> Iterable[bytes]:
    """The bytes of `beginning` one by one, then those of `then` again and again."""
    return (bytes([each]) for each in chain(beginning, cycle(then)))


def patient(handler: Handler) -> Handler:
    """The handler, for which it is no error that the other side hangs up; the connection is closed after it."""

    async def handle(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            with contextlib.suppress(OSError, asyncio.IncompleteReadError, asyncio.LimitOverrunError):
                await handler(reader, writer)
        finally:
            writer.close()

    return handle
