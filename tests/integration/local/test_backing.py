"""`make backing`: what it writes is what the chart's Secrets and values need, and all of it goes with the process."""

import os
import subprocess
import sys
from pathlib import Path

import psycopg
import yaml
from kafka import KafkaAdminClient

from knative.local.processes import base_environment, free_port, listening, spawn, stop
from tests.support.function_process import eventually

ROOT = Path(__file__).parents[3]


def words(data: Path, database: int, broker: int, *, host: str = "127.0.0.1") -> list[str | Path]:
    ports = ["--database-port", str(database), "--broker-port", str(broker)]
    return [sys.executable, "-m", "knative.cluster.backing", "--host", host, "--data", data, *ports]


def test_the_chart_gets_a_database_and_a_broker_for_as_long_as_it_runs(tmp_path: Path) -> None:
    database, broker, data = free_port(), free_port(), tmp_path / "a folder"
    said = tmp_path / "said"
    with said.open("wb") as output:
        process = spawn(words(data, database, broker), env=base_environment(), cwd=ROOT, output=output)
    try:
        eventually(lambda: "Both run until Ctrl-C" in said.read_text(), "backing", within=60)
        for file, names in {
            "taskmaster-database.env": {"DATABASE_URL", "SYSTEM_DATABASE_URL"},
            "taskmaster-database-owner.env": {"MIGRATION_DATABASE_URL"},
        }.items():
            written = data / file
            assert written.stat().st_mode & 0o077 == 0
            urls = dict(line.split("=", 1) for line in written.read_text().splitlines())
            assert set(urls) == names
            assert all(f":{database}/" in url for url in urls.values())
            assert f"--from-env-file='{written}'" in said.read_text()
            for url in urls.values():
                assert url.partition("@")[0].rpartition(":")[2] not in said.read_text()  # no password
        with psycopg.connect(urls["MIGRATION_DATABASE_URL"]) as connection:
            assert connection.execute("SELECT current_user::text").fetchone() == ("taskmaster_owner",)
        values = yaml.safe_load((data / "values.yaml").read_text())
        assert values == {"database": {"port": database}, "kafka": {"bootstrapServers": [f"127.0.0.1:{broker}"]}}
        KafkaAdminClient(bootstrap_servers=values["kafka"]["bootstrapServers"]).close()
    finally:
        stop(process, grace=30)
    assert process.returncode == 0
    eventually(lambda: not listening(database) and not listening(broker), "the end of both")


def test_an_address_that_is_not_this_machines_is_one_sentence(tmp_path: Path) -> None:
    ended = subprocess.run(
        words(tmp_path / "data", free_port(), free_port(), host="192.0.2.1"),
        cwd=ROOT, env={**base_environment(), "PATH": os.environ["PATH"]}, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert ended.returncode == 1
    assert ended.stderr.startswith("make backing: 192.0.2.1 is no address of this machine")
    assert not (tmp_path / "data").exists()
