"""Clients that are slow, that announce or send bodies without an end, and that hold connections for nothing."""

import asyncio
import contextlib
import ssl
from collections.abc import Awaitable, Callable
from urllib.parse import urlsplit

import requests

from tests.programs.attack.enemy import Enemy
from tests.programs.attack.trust import client_side

Work = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]

_IDLE, _SLOW_HEADERS, _SLOW_BODIES, _DIRECT = 60, 60, 60, 8
_BEHIND_QUEUE_PROXY = ("create-task", "query-tasks", "complete-task")
_OPENING_SECONDS = 3.0  # over which the connections are opened
_PIECE = b"x" * 16_384
_BYTES_A_SECOND = 2_000_000  # of each client that sends without an end: the network's part, not the processor's


def slow_clients(enemy: Enemy) -> None:
    """Connections that are idle, or send their header or their body at a byte a second; and slow bodies to the pods."""
    asyncio.run(_slow_clients(enemy))


async def _slow_clients(enemy: Enemy) -> None:
    head = _head(enemy, "POST /tasks", "Content-Length: 1000")
    kinds: list[tuple[int, Work]] = [
        (_IDLE, _idle),
        (_SLOW_HEADERS, _slowly(b"POST /tasks HTTP/1.1\r\nHost: localhost\r\nX-Slow: ")),
        (_SLOW_BODIES, _slowly(head)),
    ]
    clients = [
        _again_and_again(enemy, _https(enemy), work) for count, work in kinds for _ in range(enemy.scaled(count))
    ]
    clients += [_again_and_again(enemy, _plain(port), _slowly(head)) for port in _pods(enemy) for _ in range(_DIRECT)]
    await asyncio.gather(*clients, _begin_when_connected(enemy))


async def _begin_when_connected(enemy: Enemy) -> None:
    """So many handshakes cost the attacker's processor as much as the other's, and they share one."""
    await asyncio.sleep(_OPENING_SECONDS)
    enemy.begin()


def large_bodies(enemy: Enemy) -> None:
    """300 MiB announced, and chunks without an end, with and without a token; at the address and at the pods."""
    enemy.begin()
    asyncio.run(_large_bodies(enemy))


async def _large_bodies(enemy: Enemy) -> None:
    announced, chunked = "Content-Length: 314572800", "Transfer-Encoding: chunked"
    nobody = b"POST /tasks HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n%s\r\n\r\n"
    works = [
        _endless(enemy, nobody % announced.encode(), chunked=False),
        _endless(enemy, nobody % chunked.encode(), chunked=True),
        _endless(enemy, _head(enemy, "POST /tasks", announced), chunked=False),
        _endless(enemy, _head(enemy, "PUT /preferences", chunked), chunked=True),
    ]
    ports = _pods(enemy)
    doors = [_https(enemy), *map(_plain, ports[:1])]
    await asyncio.gather(*(_again_and_again(enemy, door, work) for door in doors for work in works))


def _head(enemy: Enemy, line: str, framing: str) -> bytes:
    lines = [f"{line} HTTP/1.1", "Host: localhost", f"Authorization: Bearer {enemy.target.token}"]
    return "\r\n".join([*lines, "Content-Type: application/json", framing, "", ""]).encode()


async def _idle(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    await reader.read(1)


def _slowly(head: bytes) -> Work:
    async def work(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(head)
        answered = asyncio.ensure_future(reader.read(1))
        while not answered.done():
            writer.write(b"x")
            await writer.drain()
            await asyncio.wait([answered], timeout=1.0)

    return work


def _endless(enemy: Enemy, head: bytes, *, chunked: bool) -> Work:
    piece = b"%x\r\n%s\r\n" % (len(_PIECE), _PIECE) if chunked else _PIECE

    async def work(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(head)
        answered = asyncio.ensure_future(reader.read(1))
        while not answered.done():
            writer.write(piece)
            await writer.drain()
            enemy.counts["KiB sent"] += len(_PIECE) // 1024
            await asyncio.wait([answered], timeout=len(_PIECE) / _BYTES_A_SECOND)

    return work


Door = Callable[[], Awaitable[tuple[asyncio.StreamReader, asyncio.StreamWriter]]]


async def _again_and_again(enemy: Enemy, door: Door, work: Work) -> None:
    """Connect and work until it is over; whoever is turned away comes again after half a second."""
    await asyncio.sleep(enemy.chance.uniform(0, _OPENING_SECONDS))
    while not enemy.over.is_set():
        with contextlib.suppress(OSError, ssl.SSLError, TimeoutError):
            reader, writer = await asyncio.wait_for(door(), 10)
            enemy.counts["connections"] += 1
            working = asyncio.ensure_future(work(reader, writer))
            try:
                while not working.done() and not enemy.over.is_set():
                    await asyncio.wait([working], timeout=0.5)
            finally:
                working.cancel()
                writer.transport.abort()
                await asyncio.gather(working, return_exceptions=True)
        await asyncio.sleep(0.5)


def _https(enemy: Enemy) -> Door:
    parts, tls = urlsplit(enemy.target.url), client_side(enemy.target.bundle)
    return lambda: asyncio.open_connection(parts.hostname, parts.port, ssl=tls)


def _plain(port: int) -> Door:
    return lambda: asyncio.open_connection("127.0.0.1", port)


def _pods(enemy: Enemy) -> list[int]:
    """The ports of pods that serve people: queue-proxy hands a body on to them as it comes."""
    functions = requests.get(enemy.target.status, timeout=10).json()["functions"]
    return [pod["port"] for name in _BEHIND_QUEUE_PROXY for pod in functions[name]["pods"] if pod["ready"]]
