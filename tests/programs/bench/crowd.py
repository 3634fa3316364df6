"""A crowd: many users at once, each on a connection of its own, in a process of its own.

    python -m tests.programs.bench.crowd PORT < {"name": [request, ...], ...} as JSON, the requests one behind the other

A user who is told to come back later (429, 503) does so when Retry-After says. It shares the cores with what it
measures, so it uses raw sockets and prepared requests.
"""

import asyncio
import json
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

from tests.programs.bench.load import complete

_ROOT = Path(__file__).parents[3]
_LATER = (429, 503)
_RECONNECTED = 1.0  # seconds, where the server has no room for a connection


@dataclass(frozen=True, kw_only=True)
class Answer:
    """`place` of the request in its story; `milliseconds` from when it was first sent; `refused`: how often before."""

    place: int
    status: int
    milliseconds: float
    refused: int


def gather(port: int, stories: Mapping[str, Sequence[str]]) -> list[Answer]:
    """Have all users tell their stories to 127.0.0.1:port, beginning at the same moment."""
    done = subprocess.run(
        [sys.executable, "-m", "tests.programs.bench.crowd", str(port)],
        input=json.dumps(stories),
        capture_output=True,
        text=True,
        cwd=_ROOT,
        check=False,
    )
    if done.returncode:
        raise RuntimeError(f"the crowd failed: {done.stderr}")
    return [Answer(**each) for each in json.loads(done.stdout)]


async def _story(port: int, requests: Sequence[str]) -> list[Answer]:
    answers = []
    connection = await asyncio.open_connection("127.0.0.1", port)
    for place, request in enumerate(requests):
        begun, refused = time.perf_counter(), 0
        while True:
            try:
                status, seconds = await _answer(*connection, request)
            except ConnectionError:  # beyond the server's connections, before the request was looked at
                status, seconds = 503, _RECONNECTED
            if status not in _LATER:
                break
            refused += 1
            await asyncio.sleep(seconds)
            if connection[1].is_closing() or connection[0].at_eof():
                connection = await asyncio.open_connection("127.0.0.1", port)
        taken = (time.perf_counter() - begun) * 1000
        answers.append(Answer(place=place, status=status, milliseconds=taken, refused=refused))
    connection[1].close()
    return answers


async def _answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, request: str) -> tuple[int, float]:
    """The status, and after how many seconds to come back. Raises ConnectionError where there is no answer."""
    writer.write(request.encode())
    received = b""
    while complete(received) is None:
        data = await reader.read(65_536)
        if not data:
            writer.close()
            raise ConnectionResetError
        received += data
    later = received.lower().partition(b"retry-after:")[2].partition(b"\r")[0]
    return int(received[9:12]), float(later or 0)


async def _told(port: int, stories: Sequence[Sequence[str]]) -> list[Answer]:
    told = await asyncio.gather(*(_story(port, each) for each in stories))
    return [answer for each in told for answer in each]


if __name__ == "__main__":
    found = asyncio.run(_told(int(sys.argv[1]), [*json.load(sys.stdin).values()]))
    json.dump([asdict(each) for each in found], sys.stdout)
