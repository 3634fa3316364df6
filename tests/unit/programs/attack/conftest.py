"""An authority of the tests, and the servers of an attack that run while a test does."""

import asyncio
import threading
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path

import pytest

from tests.programs.attack.hostile.drip import Handler, patient
from tests.programs.attack.trust import Trust, server_side

Serve = Callable[..., AbstractContextManager[int]]


@pytest.fixture(scope="session")
def trust(tmp_path_factory: pytest.TempPathFactory) -> Trust:
    return Trust.made(tmp_path_factory.mktemp("trust"))


@pytest.fixture
def serve(trust: Trust) -> Serve:
    """Serve a handler on a loopback port while the context is entered, behind TLS if asked to."""
    return lambda handler, *, tls: _served(handler, trust.server if tls else None)


@contextmanager
def _served(handler: Handler, certificate: Path | None) -> Iterator[int]:
    loop, ready, ports = asyncio.new_event_loop(), threading.Event(), list[int]()

    async def listen() -> None:
        context = server_side(certificate) if certificate else None
        server = await asyncio.start_server(patient(handler), "127.0.0.1", 0, ssl=context)
        ports.append(server.sockets[0].getsockname()[1])
        ready.set()

    def run() -> None:
        loop.run_until_complete(listen())
        loop.run_forever()

    async def end() -> None:
        tasks = asyncio.all_tasks() - {asyncio.current_task()}
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    thread = threading.Thread(target=run, daemon=True)
    thread.start()
    ready.wait()
    yield ports[0]
    asyncio.run_coroutine_threadsafe(end(), loop).result()
    loop.call_soon_threadsafe(loop.stop)
    thread.join()
