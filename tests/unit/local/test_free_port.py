"""A port that is given out is given to one program only, also before anything listens on it."""

import socket
import subprocess
import sys

import pytest

from knative.local import processes
from knative.local.processes import base_environment, free_port


def test_two_programs_are_never_given_the_same_port(monkeypatch: pytest.MonkeyPatch) -> None:
    program = "from knative.local.processes import free_port; print(free_port(), flush=True); input()"
    other = subprocess.Popen(
        [sys.executable, "-c", program],
        env=base_environment(),
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        cwd=processes.__file__.rpartition("/knative/")[0],
        text=True,
    )
    try:
        assert other.stdout is not None
        taken = int(other.stdout.readline())
        monkeypatch.setattr(processes, "_PORTS", [taken] * 50 + [mine := _unclaimed()])
        assert free_port() == mine
        other.communicate("\n", timeout=30)
        monkeypatch.setattr(processes, "_PORTS", [taken])
        assert free_port() == taken, "what a program claimed is free again when it has ended"
    finally:
        other.kill()
        other.wait()


def test_what_is_claimed_is_never_more_than_a_few_files() -> None:
    ports = [free_port() for _ in range(processes._MOST_CLAIMS + 10)]
    assert len(set(ports[-processes._MOST_CLAIMS :])) == processes._MOST_CLAIMS
    assert len(processes._claims) == processes._MOST_CLAIMS


def test_a_port_that_something_listens_on_is_not_free(monkeypatch: pytest.MonkeyPatch) -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        monkeypatch.setattr(processes, "_PORTS", [server.getsockname()[1]] * 50 + [mine := _unclaimed()])
        assert free_port() == mine


def _unclaimed() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])
