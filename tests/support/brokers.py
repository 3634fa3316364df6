"""The broker that the tests run on, as the roles of docs/kafka.md see it: `--broker=embedded`, `kafka` or `given`.

embedded asks nobody who they are. On the other two every role has a user of its own, which signs in by SCRAM-SHA-256
and may do what docs/kafka.md allows and nothing else. kafka is an Apache Kafka that is started for the tests and
reached by TLS; given is one that runs already, such as that of tests/compose.yaml, with KAFKA_* of a superuser.
"""

import contextlib
import json
import secrets
import tempfile
from collections.abc import Iterable, Iterator, Mapping, MutableMapping
from pathlib import Path
from typing import Any

from kafka import KafkaAdminClient, KafkaProducer
from kafka.admin import (
    ACL,
    ACLOperation,
    ACLPermissionType,
    ACLResourcePatternType,
    NewTopic,
    ResourcePattern,
    ResourceType,
    ScramMechanism,
    UserScramCredentialUpsertion,
)
from kafka.errors import KafkaError

from knative.local.embedded import broker as embedded_broker
from taskmaster.broker import acls
from taskmaster.broker.producer import connection_settings
from taskmaster.settings import read
from tests.programs.apache_kafka import SUPERUSER, ApacheKafka
from tests.support.guarded_manifests import guarded

KINDS = ("embedded", "kafka", "given")
_WHERE = ("bootstrap_servers", "security_protocol", "sasl_", "ssl_")

_given: dict[str, str] = {}


def take_given(environ: MutableMapping[str, str]) -> None:
    """Take the KAFKA_* of a given broker out of the environment, where what the tests start would find them."""
    _given.update({name: environ.pop(name) for name in list(environ) if name.startswith("KAFKA_")})


class Kafka:
    """A broker where everybody may do everything, whoever they say they are."""

    def __init__(self, environment: Mapping[str, str]) -> None:
        self._environment = dict(environment)

    def environment(self, role: str = "") -> dict[str, str]:
        """A role's KAFKA_* settings; without one, a superuser's: what a test looks and prepares with."""
        return dict(self._environment)

    def client(self, role: str = "") -> dict[str, Any]:
        """The same as kafka-python's settings: where the broker is, and how to sign in."""
        settings = connection_settings(read(self.environment(role)))
        return {name: value for name, value in settings.items() if name.startswith(_WHERE)}

    @contextlib.contextmanager
    def producer(self, role: str = "") -> Iterator[KafkaProducer]:
        """kafka-python's producer, which keeps the order of what it is given, refusals by the broker or not.

        With its usual five requests in flight and no idempotence, a record that is tried again lands behind later ones.
        """
        client = KafkaProducer(
            **self.client(role),
            acks="all",
            enable_idempotence=False,
            max_in_flight_requests_per_connection=1,
            batch_size=0,
        )
        try:
            yield client
        finally:
            client.close()

    @contextlib.contextmanager
    def admin(self) -> Iterator[KafkaAdminClient]:
        """kafka-python's admin client, as a superuser."""
        client = KafkaAdminClient(**self.client())
        try:
            yield client
        finally:
            client.close()

    def rename(self, topics: Mapping[str, str], *, partitions: int = 3) -> str:
        """Make topics that take the place of topics of ours, for those who may use these; KAFKA_TOPICS that says so."""
        self.allow(topics)
        self.make(topics.values(), partitions=partitions)
        return json.dumps(topics)

    def make(self, topics: Iterable[str], *, partitions: int = 3) -> None:
        with self.admin() as admin:
            admin.create_topics(
                [NewTopic(name, partitions, 1) for name in dict.fromkeys(topics)], wait_for_metadata=True
            )

    def allow(self, topics: Mapping[str, str]) -> None:
        """Let every role do to topics of other names what it may do to ours."""

    @contextlib.contextmanager
    def project(self, root: Path) -> Iterator[Path]:
        """A project whose manifests suit this broker."""
        yield root

    def platform(self) -> dict[str, str]:
        """What the stand-in needs in its environment to use this broker, each part of it by its own user."""
        named = {"source": "KAFKA_SOURCE_", "admin": "KAFKA_ADMIN_"}
        own = {
            prefix + name.removeprefix("KAFKA_"): value
            for role, prefix in named.items()
            for name, value in self.environment(role).items()
            if name in ("KAFKA_SASL_USERNAME", "KAFKA_SASL_PASSWORD")
        }
        return {**self.environment("functions"), **own}


class GuardedKafka(Kafka):
    """A broker with a user for every role, and the documented ACLs."""

    def __init__(self, superuser: Mapping[str, str]) -> None:
        super().__init__(superuser)
        self._passwords = {user: secrets.token_urlsafe(24) for user in acls.USERS.values()}
        with self.admin() as admin:
            refused = admin.alter_user_scram_credentials(
                [
                    UserScramCredentialUpsertion(user, ScramMechanism.SCRAM_SHA_256, password)
                    for user, password in self._passwords.items()
                ]
            )
        assert not any(refused.values()), refused
        self.allow({})

    def environment(self, role: str = "") -> dict[str, str]:
        if not role:
            return super().environment()
        user = acls.USERS[role]
        return {
            **super().environment(),
            "KAFKA_SASL_USERNAME": user,
            "KAFKA_SASL_PASSWORD": self._passwords[user],
        }

    @contextlib.contextmanager
    def project(self, root: Path) -> Iterator[Path]:
        with tempfile.TemporaryDirectory(prefix="taskmaster-test-") as folder:
            yield guarded(root, self.environment(), Path(folder) / "project")

    def allow(self, topics: Mapping[str, str]) -> None:
        grants = acls.grants(read({"KAFKA_TOPICS": json.dumps(topics)}))
        with self.admin() as admin:
            assert not admin.create_acls([acl for grant in grants for acl in as_acls(grant)])["failed"]


def as_acls(grant: acls.Grant) -> Iterator[ACL]:
    """A grant in the words of Kafka's protocol."""
    pattern = ACLResourcePatternType.PREFIXED if grant.prefixed else ACLResourcePatternType.LITERAL
    for name in grant.names:
        for operation in grant.operations:
            yield ACL(
                principal=f"User:{acls.USERS[grant.role]}",
                host="*",
                operation=ACLOperation[operation],
                permission_type=ACLPermissionType.ALLOW,
                resource_pattern=ResourcePattern(ResourceType[grant.resource.upper()], name, pattern),
            )


@contextlib.contextmanager
def broker(kind: str) -> Iterator[Kafka]:
    """One with nothing on it. Only one at a time of those that are given, since it is the same one, wiped."""
    match kind:
        case "embedded":
            with embedded_broker() as address:
                yield Kafka({"KAFKA_BOOTSTRAP_SERVERS": address})
        case "kafka":
            with (
                tempfile.TemporaryDirectory(prefix="taskmaster-kafka-") as directory,
                ApacheKafka(Path(directory)) as running,
            ):
                running.set_password(SUPERUSER)
                yield GuardedKafka(running.environment(SUPERUSER))
        case _:
            _wipe(Kafka(_given))
            yield GuardedKafka(_given)


def _wipe(kafka: Kafka) -> None:
    with kafka.admin() as admin:
        for group in admin.list_groups():
            with contextlib.suppress(KafkaError):  # somebody is still in it
                admin.delete_groups([group["group_id"]])
        topics = [topic for topic in admin.list_topics() if not topic.startswith("_")]
        if topics:
            admin.delete_topics(topics)
