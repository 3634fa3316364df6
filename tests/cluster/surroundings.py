"""What lies outside the cluster: PostgreSQL and Apache Kafka on this machine, where pods reach them."""

import contextlib
import os
import socket
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from knative.cluster.kubectl import ClusterError, Json, Kubectl
from knative.local import taskmaster_setup
from knative.local.postgresql import postgres
from knative.local.secrets import Passwords, Secrets
from tests.programs.apache_kafka import SUPERUSER, ApacheKafka


@dataclass(frozen=True, kw_only=True)
class Surroundings:
    """`address` is this machine's as pods know it."""

    address: str
    owner_url: str
    secrets: Secrets
    kafka: ApacheKafka

    def objects(self) -> list[Json]:
        """The Secrets that the chart wants to find."""
        password = self.kafka.client(SUPERUSER)["sasl_plain_password"]
        contents = {
            "taskmaster-database": self.secrets["taskmaster-database"],
            "taskmaster-database-owner": self.secrets["taskmaster-database-owner"],
            "taskmaster-kafka": {
                "KAFKA_SASL_USERNAME": SUPERUSER,
                "KAFKA_SASL_PASSWORD": password,
                "KAFKA_SASL_MECHANISM": "SCRAM-SHA-256",
            },
            "taskmaster-kafka-ca": {"ca.crt": self.kafka.ca_file.read_text()},
        }
        return [
            {"apiVersion": "v1", "kind": "Secret", "metadata": {"name": name}, "stringData": content}
            for name, content in contents.items()
        ]

    def values(self) -> dict[str, Any]:
        """The chart's values that say where all this is."""
        return {
            "database": {"port": int(self.owner_url.rpartition(":")[2].partition("/")[0])},
            "kafka": {
                "bootstrapServers": [self.kafka.address("SASL_SSL")],
                "securityProtocol": "SASL_SSL",
                "saslMechanism": "SCRAM-SHA-256",
                "ca": {"secret": "taskmaster-kafka-ca"},
            },
        }


@contextlib.contextmanager
def surroundings(kubectl: Kubectl, directory: Path) -> Iterator[Surroundings]:
    """Run both until the block ends."""
    address = host_address(kubectl)
    with (
        postgres(durable=False, host=address) as server,
        ApacheKafka(directory / "kafka", listen="0.0.0.0", advertised=address) as kafka,
    ):
        kafka.set_password(SUPERUSER)
        passwords = Passwords(directory / "passwords.json")
        owner_url = taskmaster_setup.create_database(server.url, passwords)
        made_up = taskmaster_setup.database_secrets(owner_url, passwords)
        yield Surroundings(address=address, owner_url=owner_url, secrets=made_up, kafka=kafka)


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
