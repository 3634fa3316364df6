"""Child processes that never outlive the program that started them, however that program ends.

A tidy end is the caller's business (`stop`). For an untidy one, SIGKILL included, a watcher process holds the
reading end of a pipe: the pipe closes when this program is gone, and the watcher then ends every process
group it was told of. This works on Linux and macOS alike, unlike a parent-death signal.
"""

from __future__ import annotations

import collections
import contextlib
import os
import random
import signal
import socket
import subprocess
import sys
import threading
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import IO, Any

# Below the range from which the kernel takes the ports of outgoing connections (from 32768 on Linux, 49152 on
# macOS), so that no client connection takes a port between our choosing it and the child's listening on it.
_PORTS = range(20_000, 32_000)

# File descriptors of UDP sockets, each bound to the number of a port that was given out. No two programs are given the
# same port in the seconds until a child listens on it, and the kernel drops a claim when its program dies.
_claims: collections.deque[int] = collections.deque()
_MOST_CLAIMS = 64

_WATCHER = """
import os, signal, sys
groups = {}
for line in sys.stdin:
    group, signum = map(int, line.split())
    if signum: groups[group] = signum
    else: groups.pop(group, None)
for group, signum in groups.items():
    try: os.killpg(group, signum)
    except OSError: pass
"""

_lock = threading.Lock()
_watcher: subprocess.Popen[str] | None = None


def spawn(
    command: Sequence[str | Path],
    *,
    env: Mapping[str, str],
    cwd: Path | None = None,
    output: int | IO[Any] = subprocess.DEVNULL,
    user: int | None = None,
    last_signal: signal.Signals = signal.SIGKILL,
) -> subprocess.Popen[bytes]:
    """Start a command in a process group of its own, out of reach of the terminal's Ctrl-C.

    `last_signal` is what the group gets should this program die without stopping it.
    """
    process = subprocess.Popen(
        [str(word) for word in command],
        env=dict(env),
        cwd=cwd,
        stdin=subprocess.DEVNULL,
        stdout=output,
        stderr=subprocess.STDOUT,
        start_new_session=True,
        user=user,
        group=user,
        extra_groups=[] if user is not None else None,
    )
    _tell_watcher(process.pid, last_signal)
    return process


def stop(process: subprocess.Popen[bytes], *, grace: float, first: signal.Signals = signal.SIGTERM) -> None:
    """End the process: the polite signal, up to `grace` seconds, then SIGKILL for its whole group."""
    if process.poll() is None:
        process.send_signal(first)
        with contextlib.suppress(subprocess.TimeoutExpired):
            process.wait(grace)
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.killpg(process.pid, signal.SIGKILL)
    process.wait()
    _tell_watcher(process.pid, 0)


def free_port(host: str = "127.0.0.1") -> int:
    """A port that nothing listens on at an address of this machine; of 0.0.0.0: at any address.

    No other program that asks this function is given it too, until this one ends or has asked for many more.
    """
    while True:
        port = random.choice(_PORTS)
        with socket.socket() as probe, socket.socket(type=socket.SOCK_DGRAM) as claim, contextlib.suppress(OSError):
            claim.bind(("127.0.0.1", port))
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            probe.bind((host, port))
            _keep(claim.detach())
            return port


def listening(port: int, host: str = "127.0.0.1") -> bool:
    """Whether something accepts TCP connections on the port: Knative's default readiness probe."""
    with socket.socket() as probe:
        probe.settimeout(0.5)
        return probe.connect_ex((host, port)) == 0


def base_environment() -> dict[str, str]:
    """What a container finds before the manifest adds to it, and nothing of the developer's own."""
    names = ("PATH", "HOME", "USER", "LANG", "LC_ALL", "TZ", "TMPDIR", "VIRTUAL_ENV", "SYSTEMROOT")
    return {name: os.environ[name] for name in names if name in os.environ}


def _keep(claim: int) -> None:
    with _lock:
        _claims.append(claim)
        spare = _claims.popleft() if len(_claims) > _MOST_CLAIMS else None
    if spare is not None:
        os.close(spare)


def _tell_watcher(group: int, signum: int) -> None:
    global _watcher
    with _lock:
        if _watcher is None or _watcher.poll() is not None:
            _watcher = subprocess.Popen(
                [sys.executable, "-I", "-S", "-c", _WATCHER],
                stdin=subprocess.PIPE,
                stdout=subprocess.DEVNULL,
                stderr=subprocess.DEVNULL,
                start_new_session=True,
                text=True,
            )
        assert _watcher.stdin is not None
        with contextlib.suppress(BrokenPipeError):
            _watcher.stdin.write(f"{group} {signum}\n")
            _watcher.stdin.flush()
