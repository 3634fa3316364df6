"""What lies outside the cluster, on this machine, where pods reach it: PostgreSQL, and Apache Kafka or Redis."""

import contextlib
import os
import socket
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import psycopg

from knative.cluster.kubectl import ClusterError, Json, Kubectl
from knative.local import taskmaster_setup
from knative.local.postgresql import postgres
from knative.local.secrets import Passwords, Secrets
from tests.programs.apache_kafka import SUPERUSER, ApacheKafka
from tests.support.dapr import redis_server


@dataclass(frozen=True, kw_only=True)
class Surroundings:
    """The database. `address` is this machine's as pods know it."""

    address: str
    owner_url: str
    secrets: Secrets

    def objects(self) -> list[Json]:
        """The Secrets that the chart wants to find."""
        return [
            {"apiVersion": "v1", "kind": "Secret", "metadata": {"name": name}, "stringData": content}
            for name, content in self.contents().items()
        ]

    def contents(self) -> Secrets:
        """What is in them."""
        return {name: self.secrets[name] for name in ("taskmaster-database", "taskmaster-database-owner")}

    def values(self) -> dict[str, Any]:
        """The chart's values that say where all this is."""
        return {"database": {"port": int(self.owner_url.rpartition(":")[2].partition("/")[0])}}

    def settings(self) -> dict[str, str]:
        """Those of a tool on this machine that reads topics."""
        raise NotImplementedError

    def rows(self, table: str) -> int:
        with psycopg.connect(self.owner_url) as connection:
            [(count,)] = connection.execute(f"SELECT count(*) FROM {table}").fetchall()
            return int(count)


@dataclass(frozen=True, kw_only=True)
class OnKafka(Surroundings):
    """By SASL_SSL."""

    kafka: ApacheKafka

    def contents(self) -> Secrets:
        password = self.kafka.client(SUPERUSER)["sasl_plain_password"]
        login = {
            "KAFKA_SASL_USERNAME": SUPERUSER,
            "KAFKA_SASL_PASSWORD": password,
            "KAFKA_SASL_MECHANISM": "SCRAM-SHA-256",
        }
        authority = {"ca.crt": self.kafka.ca_file.read_text()}
        return {**super().contents(), "taskmaster-kafka": login, "taskmaster-kafka-ca": authority}

    def values(self) -> dict[str, Any]:
        kafka = {
            "bootstrapServers": [self.kafka.address("SASL_SSL")],
            "securityProtocol": "SASL_SSL",
            "saslMechanism": "SCRAM-SHA-256",
            "ca": {"secret": "taskmaster-kafka-ca"},
        }
        return {**super().values(), "kafka": kafka}

    def settings(self) -> dict[str, str]:
        return self.kafka.environment(SUPERUSER)


@dataclass(frozen=True, kw_only=True)
class OnRedis(Surroundings):
    """With a password, and what it acknowledged on disk; its `redis_url` has both."""

    redis_url: str

    def contents(self) -> Secrets:
        login = {"REDIS_PASSWORD": str(urlsplit(self.redis_url).password), "REDIS_URL": self.redis_url}
        return {**super().contents(), "taskmaster-redis": login}

    def values(self) -> dict[str, Any]:
        return {**super().values(), "dapr": {"redis": {"host": self.redis_url.rpartition("@")[2].partition("/")[0]}}}

    def settings(self) -> dict[str, str]:
        return {"TRANSPORT": "dapr", "REDIS_URL": self.redis_url}


@contextlib.contextmanager
def on_kafka(kubectl: Kubectl, directory: Path) -> Iterator[OnKafka]:
    """Run both until the block ends."""
    with (
        _database(kubectl, directory) as database,
        ApacheKafka(directory / "kafka", listen="0.0.0.0", advertised=database.address) as kafka,
    ):
        kafka.set_password(SUPERUSER)
        yield OnKafka(**vars(database), kafka=kafka)


@contextlib.contextmanager
def on_redis(kubectl: Kubectl, directory: Path) -> Iterator[OnRedis]:
    """Run both until the block ends."""
    password = Passwords(directory / "passwords.json")["redis"]
    with (
        _database(kubectl, directory) as database,
        redis_server(host=database.address, password=password) as url,
    ):
        yield OnRedis(**vars(database), redis_url=url)


@contextlib.contextmanager
def _database(kubectl: Kubectl, directory: Path) -> Iterator[Surroundings]:
    address = host_address(kubectl)
    with postgres(durable=False, host=address) as server:
        passwords = Passwords(directory / "passwords.json")
        owner_url = taskmaster_setup.create_database(server.url, passwords)
        made_up = taskmaster_setup.database_secrets(owner_url, passwords)
        yield Surroundings(address=address, owner_url=owner_url, secrets=made_up)


def host_address(kubectl: Kubectl) -> str:
    """HOST_ADDRESS, else the node's own, where the node is this machine."""
    if given := os.environ.get("HOST_ADDRESS"):
        return given
    for node in kubectl.all("nodes"):
        for each in node["status"]["addresses"]:
            with contextlib.suppress(OSError), socket.socket() as probe:
                probe.bind((each["address"], 0))
                return str(each["address"])
    raise ClusterError("by which address do pods reach this machine? Set HOST_ADDRESS (kind: `export $(make kind)`)")
