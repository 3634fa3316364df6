"""One node of Apache Kafka (KRaft) as a child process, with what a test does to it: kill, restart, pause.

    with ApacheKafka(tmp_path) as kafka:
        kafka.set_password("ada", "secret")
        KafkaProducer(**kafka.client("ada"))       # by SASL_SSL with SCRAM-SHA-256
        kafka.kill(); kafka.start()                # the same address, and all that was acknowledged is still there

It has three listeners. On PLAINTEXT everybody is a superuser: that is for the test itself, and for tests that are not
about who may do what. On SASL_PLAINTEXT and SASL_SSL a user signs in by SCRAM-SHA-256 and may do what the ACLs allow,
which is nothing unless `allow` was called or it is SUPERUSER. What happened is in `kafka.log` in its directory.
"""

import contextlib
import os
import secrets
import signal
import subprocess
import time
from collections.abc import Iterable, Mapping
from pathlib import Path
from types import TracebackType
from typing import Any, Literal, Self

import trustme
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    load_pem_private_key,
)
from kafka import KafkaAdminClient
from kafka.admin import ACL, ScramMechanism, UserScramCredentialUpsertion
from kafka.errors import KafkaError

from knative.local.processes import base_environment, free_port, spawn, stop
from tests.programs.apache_kafka.class_path import class_path

Listener = Literal["PLAINTEXT", "SASL_PLAINTEXT", "SASL_SSL"]
LISTENERS: tuple[Listener, ...] = ("PLAINTEXT", "SASL_PLAINTEXT", "SASL_SSL")

SUPERUSER = "superuser"  # whom no ACL binds, once it has a password

_MECHANISM = "SCRAM-SHA-256"
_START_SECONDS = 90.0
_STOP_SECONDS = 30.0
_JAVA = (
    # A short life in a small heap: what the compiler would gain later is not worth waiting for.
    "-Xmx256m", "-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1",
    f"-Dlog4j2.configurationFile={Path(__file__).parent / 'log4j2.properties'}",
)  # fmt: skip


class ApacheKafka:
    """A broker whose data, ports and certificate live in `directory`; entered, it runs, and left, it is stopped.

    `listen` is the address that it listens on and `advertised` the host that it tells clients to come to: the loopback
    both, unless clients come from elsewhere (`listen="0.0.0.0", advertised="10.0.0.1"`, for pods of a cluster; whoever
    connects on this machine is sent to the advertised host too). `settings` are lines of server.properties that are
    added, such as {"message.max.bytes": "2000000"}. Raises NoApacheKafka where Java or Maven is missing.

    A program that dies without stopping it takes it along.
    """

    def __init__(
        self,
        directory: Path,
        *,
        listen: str = "127.0.0.1",
        advertised: str = "127.0.0.1",
        settings: Mapping[str, str] | None = None,
    ) -> None:
        self.directory = directory
        self.log = directory / "kafka.log"
        self.ca_file = directory / "ca.pem"
        self._listen = listen
        self._advertised = advertised
        self._settings = settings or {}
        self._ports = self._free_ports()
        self._class_path = class_path()
        self._passwords: dict[str, str] = {}
        self._process: subprocess.Popen[bytes] | None = None

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()

    # Its life ---------------------------------------------------------------------------------------------------

    def start(self) -> None:
        """Start it, for the first time or anew with the data it has, and wait until it answers.

        The first time nobody knows its ports yet: should somebody have taken one meanwhile, it looks for others.
        """
        assert not self.running, "it runs already"
        first = not self.log.exists()
        properties = self._configure()
        if not self._started(properties) and first and "Address already in use" in self.log.read_text():
            self._ports = self._free_ports()
            self._started(self._configure())
        assert self.running, f"Apache Kafka did not start:\n{self.log.read_text()[-4000:]}"

    def stop(self) -> None:
        """SIGTERM, as a machine that shuts down: it writes what it has and leaves. Nothing happens when it is gone."""
        if self._process is not None:
            self.resume()
            stop(self._process, grace=_STOP_SECONDS)

    def kill(self) -> None:
        """SIGKILL. What it acknowledged is in the page cache, and so there when it starts anew."""
        if self._process is not None:
            stop(self._process, grace=0, first=signal.SIGKILL)

    def pause(self) -> None:
        """SIGSTOP: its connections stay open, and nobody answers on them."""
        self._signal(signal.SIGSTOP)

    def resume(self) -> None:
        """SIGCONT: what came meanwhile is answered."""
        self._signal(signal.SIGCONT)

    @property
    def running(self) -> bool:
        """Whether its process is there, paused or not."""
        return self._process is not None and self._process.poll() is None

    # Reaching it ------------------------------------------------------------------------------------------------

    def address(self, listener: Listener = "PLAINTEXT") -> str:
        """host:port of a listener, as it advertises it: the same for the life of this object."""
        return f"{self._advertised}:{self._ports[listener]}"

    def client(self, user: str | None = None, *, listener: Listener | None = None) -> dict[str, Any]:
        """kafka-python's settings: of a superuser by PLAINTEXT, or of a user by SASL_SSL or the listener given."""
        listener = listener or ("SASL_SSL" if user else "PLAINTEXT")
        settings: dict[str, Any] = {"bootstrap_servers": self.address(listener), "security_protocol": listener}
        if user is not None and listener != "PLAINTEXT":
            settings |= {"sasl_mechanism": _MECHANISM, "sasl_plain_username": user}
            settings["sasl_plain_password"] = self._passwords[user]
        if listener == "SASL_SSL":
            settings["ssl_cafile"] = str(self.ca_file)
        return settings

    def environment(self, user: str | None = None, *, listener: Listener | None = None) -> dict[str, str]:
        """The same as the KAFKA_* settings of a function."""
        names = {"sasl_plain_username": "sasl_username", "sasl_plain_password": "sasl_password"}
        client = self.client(user, listener=listener)
        return {f"KAFKA_{names.get(name, name)}".upper(): value for name, value in client.items()}

    # Who may do what --------------------------------------------------------------------------------------------

    def set_password(self, user: str, password: str = "") -> str:
        """Make a user, or give it another password: a random one unless given. Returns it."""
        self._passwords[user] = password or secrets.token_urlsafe(24)
        with self.administrator() as admin:
            upsertion = UserScramCredentialUpsertion(user, ScramMechanism.SCRAM_SHA_256, self._passwords[user])
            refused = admin.alter_user_scram_credentials([upsertion])[user]
            assert refused is None, refused
        return self._passwords[user]

    def allow(self, acls: Iterable[ACL]) -> None:
        """Add ACLs to those that there are."""
        with self.administrator() as admin:
            assert not admin.create_acls(list(acls))["failed"]

    @contextlib.contextmanager
    def administrator(self) -> Any:
        """kafka-python's admin client as a superuser."""
        client = KafkaAdminClient(**self.client())
        try:
            yield client
        finally:
            client.close()

    # Inside -----------------------------------------------------------------------------------------------------

    def _started(self, properties: Path) -> bool:
        with self.log.open("ab") as log:
            self._process = spawn(
                ["java", *_JAVA, "-cp", self._class_path, "kafka.Kafka", properties],
                env=base_environment(),
                cwd=self.directory,
                output=log,
            )
        deadline = time.monotonic() + _START_SECONDS
        while not self._answers():
            if self._process.poll() is not None or time.monotonic() > deadline:
                self.kill()
                return False
            time.sleep(0.1)
        return True

    def _free_ports(self) -> dict[str, int]:
        return {name: free_port(self._listen) for name in (*LISTENERS, "CONTROLLER")}

    def _signal(self, signum: signal.Signals) -> None:
        assert self._process is not None
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(self._process.pid, signum)

    def _answers(self) -> bool:
        try:
            client = KafkaAdminClient(**self.client(), bootstrap_timeout_ms=500, request_timeout_ms=5_000)
        except KafkaError:
            return False
        try:
            return bool(client.describe_cluster()["brokers"])
        except KafkaError:
            return False
        finally:
            client.close()

    def _configure(self) -> Path:
        """Write server.properties; the first time, make the certificate and format the storage too."""
        self.directory.mkdir(parents=True, exist_ok=True)
        if not self.ca_file.exists():
            self._certify()
        properties = self.directory / "server.properties"
        properties.write_text("".join(f"{name}={value}\n" for name, value in self._properties().items()))
        if not (self.directory / "data" / "meta.properties").exists():
            command = ["java", *_JAVA, "-cp", self._class_path, "kafka.tools.StorageTool", "format"]
            cluster = secrets.token_urlsafe(16).replace("-", "_")  # one that begins with a hyphen looks like an option
            done = subprocess.run(
                [*command, "--cluster-id", cluster, "--config", properties], capture_output=True, text=True, check=False
            )
            assert done.returncode == 0, done.stdout + done.stderr
        return properties

    def _properties(self) -> dict[str, str]:
        """server.properties of a node that is broker and controller: https://kafka.apache.org/documentation/#configuration."""
        ports = self._ports
        listeners = [f"{name}://{self._listen}:{ports[name]}" for name in LISTENERS]
        scram = "org.apache.kafka.common.security.scram.ScramLoginModule required;"
        return {
            "process.roles": "broker,controller",
            "node.id": "1",
            "controller.quorum.voters": f"1@127.0.0.1:{ports['CONTROLLER']}",
            "controller.listener.names": "CONTROLLER",
            "listeners": ",".join([*listeners, f"CONTROLLER://127.0.0.1:{ports['CONTROLLER']}"]),
            "advertised.listeners": ",".join(f"{name}://{self.address(name)}" for name in LISTENERS),
            "listener.security.protocol.map": ",".join(["CONTROLLER:PLAINTEXT", *(f"{n}:{n}" for n in LISTENERS)]),
            "inter.broker.listener.name": "PLAINTEXT",
            "sasl.enabled.mechanisms": _MECHANISM,
            "listener.name.sasl_plaintext.scram-sha-256.sasl.jaas.config": scram,
            "listener.name.sasl_ssl.scram-sha-256.sasl.jaas.config": scram,
            "ssl.keystore.type": "PEM",
            "ssl.keystore.location": str(self.directory / "server.pem"),
            "authorizer.class.name": "org.apache.kafka.metadata.authorizer.StandardAuthorizer",
            "super.users": f"User:ANONYMOUS;User:{SUPERUSER}",
            "log.dirs": str(self.directory / "data"),
            "auto.create.topics.enable": "false",
            "num.partitions": "3",
            "offsets.topic.num.partitions": "3",
            "offsets.topic.replication.factor": "1",
            "transaction.state.log.num.partitions": "1",
            "transaction.state.log.replication.factor": "1",
            "transaction.state.log.min.isr": "1",
            # A broker that was killed is let in again once its session is over: 9 s as shipped.
            "broker.session.timeout.ms": "2000",
            "broker.heartbeat.interval.ms": "500",
            # A test that starts a consumer waits for it to be alone in its group.
            "group.initial.rebalance.delay.ms": "0",
            # And one that restarts its consumer, for the one before it to be given up: 6 s at least as shipped.
            "group.min.session.timeout.ms": "500",
            **self._settings,
        }

    def _certify(self) -> None:
        authority = trustme.CA()
        certificate = authority.issue_cert("localhost", "127.0.0.1", self._advertised)
        # Kafka reads a key in PKCS #8 only.
        key = load_pem_private_key(certificate.private_key_pem.bytes(), password=None)
        pem = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
        chain = b"".join(blob.bytes() for blob in certificate.cert_chain_pems)
        server = self.directory / "server.pem"
        server.touch(mode=0o600)
        server.write_bytes(pem + chain)
        authority.cert_pem.write_to_path(str(self.ca_file))
