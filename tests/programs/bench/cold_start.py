"""How long a fresh process takes to its first answer: what a request waits for when a function sleeps at zero."""

import json
import time
from dataclasses import dataclass

from tests.programs.bench.contenders import Contender, Wrong, connected, processor_seconds, running
from tests.programs.bench.load import complete


@dataclass(frozen=True, kw_only=True)
class Start:
    """`milliseconds` from just before the exec to the last byte of the answer; and of processor time until then."""

    milliseconds: float
    processor: float
    task_id: int | None


def first_answer(contender: Contender) -> Start:
    """Start it, ask once, stop it. Raises Wrong for another status than the contender's."""
    with running(contender) as server:
        received, body = b"", None
        with connected(server) as connection:
            connection.sendall(contender.request)
            while body is None and (data := connection.recv(65_536)):
                received += data
                body = complete(received)
            milliseconds = (time.perf_counter() - server.started_at) * 1000
            processor = processor_seconds(server) * 1000
        if body is None or int(received[9:12]) != contender.status:
            raise Wrong(f"{contender.name} answered {received[:300]!r}:\n{server.last_lines()}")
    task_id = json.loads(body)["task_id"] if contender.topic else None
    return Start(milliseconds=milliseconds, processor=processor, task_id=task_id)
