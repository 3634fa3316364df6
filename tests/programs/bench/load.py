"""The load generator: a closed loop of keep-alive clients on raw sockets, in a process of its own.

It shares the cores with what it measures, so it does as little as it can: one prepared request, no HTTP library, and
nothing is decoded before the last answer is in.

    python -m tests.programs.bench.load PORT < the request, byte by byte, with the plan in one JSON line before it
"""

import asyncio
import json
import subprocess
import sys
import time
from collections import Counter
from dataclasses import asdict, dataclass
from pathlib import Path

from tests.programs.bench.report import percentile

_ROOT = Path(__file__).parents[3]


@dataclass(frozen=True, kw_only=True)
class Plan:
    """How much to ask for. The warm-up is answered and counted like the rest, but not timed."""

    clients: int
    warm_up: int
    requests: int


@dataclass(frozen=True, kw_only=True)
class Outcome:
    """`latencies` are milliseconds, sorted; `finished_at` is Unix time; `task_ids` has those of the warm-up too."""

    seconds: float
    finished_at: float
    latencies: list[float]
    task_ids: list[int]
    wrong: dict[str, int]

    @property
    def rate(self) -> float:
        return len(self.latencies) / self.seconds

    def percentile(self, share: float) -> float:
        return percentile(self.latencies, share)


def drive(port: int, request: bytes, plan: Plan) -> Outcome:
    """Run a plan against 127.0.0.1:port from another process."""
    done = subprocess.run(
        [sys.executable, "-m", "tests.programs.bench.load", str(port)],
        input=json.dumps(asdict(plan)).encode() + b"\n" + request,
        capture_output=True,
        cwd=_ROOT,
        check=False,
    )
    if done.returncode:
        raise RuntimeError(f"the load generator failed: {done.stderr.decode()}")
    return Outcome(**json.loads(done.stdout))


class _Phase:
    """So many requests, shared by all clients."""

    def __init__(self, requests: int, clients: int) -> None:
        self.left = requests
        self.open = clients
        self.latencies: list[float] = []
        self.answers: list[bytes] = []
        self.wrong: Counter[str] = Counter()
        self.done = asyncio.get_running_loop().create_future()


class _Client(asyncio.Protocol):
    def __init__(self, phase: _Phase, request: bytes) -> None:
        self._phase = phase
        self._request = request
        self._received = b""
        self._asking = False

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport
        self._ask()

    def data_received(self, data: bytes) -> None:
        self._received += data
        answer = complete(self._received)
        if answer is None:
            return
        self._phase.latencies.append(time.perf_counter() - self._asked)
        if self._received[9:12] == b"201":
            self._phase.answers.append(answer)
        else:
            self._phase.wrong[self._received[:12].decode(errors="replace")] += 1
        self._received, self._asking = b"", False
        self._ask()

    def connection_lost(self, _error: Exception | None) -> None:
        if self._asking:
            self._phase.wrong["connection lost"] += 1
        self._phase.open -= 1
        if not self._phase.open:
            self._phase.done.set_result(None)

    def _ask(self) -> None:
        if self._phase.left == 0:
            self._transport.close()
            return
        self._phase.left -= 1
        self._asking = True
        self._asked = time.perf_counter()
        self._transport.write(self._request)


def complete(received: bytes) -> bytes | None:
    """The body of an HTTP/1.1 answer with a Content-Length, once all of it is there."""
    head, end, body = received.partition(b"\r\n\r\n")
    if not end:
        return None
    length = head.lower().partition(b"content-length:")[2].partition(b"\r")[0]
    return body if len(body) >= int(length) else None


async def _run(port: int, request: bytes, plan: Plan) -> Outcome:
    answers: list[bytes] = []
    wrong: Counter[str] = Counter()
    for requests in (plan.warm_up, plan.requests):
        phase = _Phase(requests, plan.clients)
        began = time.perf_counter()
        for _ in range(plan.clients):
            await asyncio.get_running_loop().create_connection(lambda: _Client(phase, request), "127.0.0.1", port)  # noqa: B023
        await phase.done
        seconds, finished_at = time.perf_counter() - began, time.time()
        answers += phase.answers
        wrong += phase.wrong
    return Outcome(
        seconds=seconds,
        finished_at=finished_at,
        latencies=sorted(each * 1000 for each in phase.latencies),
        task_ids=[json.loads(answer)["task_id"] for answer in answers],
        wrong=dict(wrong),
    )


if __name__ == "__main__":
    plan, _, request = sys.stdin.buffer.read().partition(b"\n")
    outcome = asyncio.run(_run(int(sys.argv[1]), request, Plan(**json.loads(plan))))
    json.dump(asdict(outcome), sys.stdout)
