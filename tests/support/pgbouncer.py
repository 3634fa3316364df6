"""A PgBouncer before the test's PostgreSQL, with TLS and next to no server connections, as Neon's pooler is one."""

import os
import pwd
import shutil
import subprocess
import time
from pathlib import Path
from urllib.parse import urlsplit, urlunsplit

from knative.local.processes import base_environment, free_port, listening, spawn, stop

PGBOUNCER = shutil.which("pgbouncer") or shutil.which("pgbouncer", path="/usr/sbin:/usr/local/sbin:/opt/homebrew/bin")
OPENSSL = shutil.which("openssl")
LOGINS = ("DATABASE_URL", "SYSTEM_DATABASE_URL")
CONFIGURATION = """
[databases]
few = host={host} port={server_port} dbname=postgres pool_size={few}
one = host={host} port={server_port} dbname=postgres pool_size=1

[pgbouncer]
listen_addr = 127.0.0.1
listen_port = {port}
unix_socket_dir =
pool_mode = {mode}
auth_type = scram-sha-256
auth_file = {directory}/users
client_tls_sslmode = require
client_tls_key_file = {directory}/key
client_tls_cert_file = {directory}/certificate
max_client_conn = 200
"""


class PgBouncer:
    """A pooler before the test's PostgreSQL, run by `nobody` where a test runs as root."""

    def __init__(
        self, directory: Path, environment: dict[str, str], *, mode: str = "transaction", few: int = 2
    ) -> None:
        self._directory = directory
        self._environment = environment
        self._user = pwd.getpwnam("nobody").pw_uid if os.geteuid() == 0 else None
        self._process: subprocess.Popen[bytes] | None = None
        self.port = free_port()
        server = urlsplit(environment["MIGRATION_DATABASE_URL"])
        self._write(
            "pgbouncer.ini",
            CONFIGURATION.format(
                host=server.hostname,
                server_port=server.port,
                port=self.port,
                directory=directory,
                mode=mode,
                few=few,
            ),
        )
        self._write("users", '"taskmaster_user" "user\'s"\n"taskmaster_system" "system\'s"\n')
        self._make_certificate()

    def start(self) -> None:
        assert PGBOUNCER
        configuration = str(self._directory / "pgbouncer.ini")
        self._process = spawn([PGBOUNCER, configuration], env=base_environment(), cwd=self._directory, user=self._user)
        deadline = time.monotonic() + 10
        while not listening(self.port):
            assert self._process.poll() is None, "pgbouncer did not start"
            assert time.monotonic() < deadline, "pgbouncer does not listen"
            time.sleep(0.01)

    def stop(self) -> None:
        if self._process is not None:
            stop(self._process, grace=1)

    def environment(self, database: str) -> dict[str, str]:
        """What a function is configured with to go through the pool of this name."""
        logins = {name: self._through(self._environment[name], database) for name in LOGINS}
        return self._environment | logins

    def _through(self, url: str, database: str) -> str:
        parts = urlsplit(url)
        login = parts.netloc.rpartition("@")[0]
        tls = f"sslmode=verify-full&sslrootcert={self._directory}/certificate"
        return urlunsplit(
            parts._replace(netloc=f"{login}@127.0.0.1:{self.port}", path=f"/{database}", query=tls),
        )

    def _make_certificate(self) -> None:
        assert OPENSSL
        key, certificate = self._directory / "key", self._directory / "certificate"
        request = "req -x509 -newkey rsa:2048 -nodes -days 2 -subj /CN=localhost -addext subjectAltName=IP:127.0.0.1"
        subprocess.run(
            [OPENSSL, *request.split(), "-keyout", key, "-out", certificate],
            check=True,
            capture_output=True,
        )
        self._hand_over("key")
        self._hand_over("certificate")

    def _write(self, name: str, content: str) -> None:
        (self._directory / name).write_text(content)
        self._hand_over(name)

    def _hand_over(self, name: str) -> None:
        if self._user is not None:
            os.chown(self._directory / name, self._user, -1)
