"""A real daprd with a bridge, on Kafka or on Redis, in front of functions that answer as a test says."""

import contextlib
import os
import signal
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from uuid import uuid4

import requests
from kafka import KafkaAdminClient, KafkaProducer
from kafka.admin import NewTopic

from knative.local import manifests
from knative.local.dapr.side import DaprSide
from knative.local.embedded import broker
from knative.local.secrets import Passwords
from taskmaster.events.routes import TOPICS
from tests.dapr.functions import Functions
from tests.platform.user import eventually
from tests.support import dapr

ROOT = Path(__file__).parents[2]
PARTITIONS = 3


class Stage:
    """What a test asks: publish, look at what the functions got, kill something."""

    def __init__(self, kind: str, side: DaprSide, functions: Functions, kafka: str) -> None:
        self.kind = kind
        self.side = side
        self.functions = functions
        self.kafka = kafka
        self.publishing = requests.Session()
        self.publishing.headers["dapr-api-token"] = side.api_token

    def publish(self, topic: str, event_id: str = "", *, key: str = "ada", data: bytes = b"{}", **more: str) -> str:
        """By daprd's HTTP API, as the functions do it; returns the id once it is acknowledged."""
        name = event_id or str(uuid4())
        required = {"specversion": "1.0", "id": name, "source": "/tests", "type": "task.create", "userid": key}
        headers = {f"ce_{attribute}": text for attribute, text in {**required, **more}.items()}
        self.publish_raw(topic, {**headers, "content-type": "application/json"}, data, key=key)
        return name

    def publish_raw(self, topic: str, headers: Mapping[str, str], data: bytes, *, key: str) -> None:
        dapr.publish(self.publishing, self.side.url, topic, headers, data, key=key)

    @contextlib.contextmanager
    def producer(self) -> Iterator[KafkaProducer]:
        """A plain Kafka client; on Kafka alone."""
        client = KafkaProducer(bootstrap_servers=self.kafka, enable_idempotence=False, batch_size=0)
        try:
            yield client
        finally:
            client.close()

    def kill(self, name: str) -> int:
        """SIGKILL of daprd, bridge or redis, which is started again; the id that it had."""
        pid = int(eventually(lambda: self.side.processes[name].pid))
        os.kill(pid, signal.SIGKILL)
        return pid

    def wait_for_daprd(self) -> None:
        def is_healthy() -> bool:
            try:
                return requests.get(f"{self.side.url}/v1.0/healthz", timeout=2).status_code == 204
            except requests.RequestException:
                return False

        eventually(is_healthy)


@contextlib.contextmanager
def staged(kind: str, state: Path, *, kafka: str = "") -> Iterator[Stage]:
    """`kind` is dapr-kafka or dapr-redis; `kafka` is a broker that runs already, instead of the embedded one."""
    sources = manifests.read(ROOT / "knative", ROOT / "eventing").kafka_sources
    with contextlib.ExitStack() as stack:
        servers = ""
        if kind == "dapr-kafka":
            servers = kafka or stack.enter_context(broker())
            _create_topics(servers)
        functions = Functions()
        stack.callback(functions.close)
        with (state / "log").open("a") as log:
            side = DaprSide(
                state=state,
                passwords=Passwords(state / "passwords.json"),
                kafka=servers,
                on_line=lambda name, line: print(f"{name}: {line}", file=log, flush=True),
            )
            stack.callback(side.stop)
            side.start_redis()
            bridge = [sys.executable, "-m", "taskmaster.bridge"]
            side.start(sources, bridge=bridge, cwd=ROOT / "functions", gateway=functions.url)
            with stack.pop_all():
                yield Stage(kind, side, functions, servers)


def _create_topics(servers: str) -> None:
    admin = KafkaAdminClient(bootstrap_servers=servers)
    try:
        admin.create_topics([NewTopic(name=name, num_partitions=PARTITIONS, replication_factor=1) for name in TOPICS])
    finally:
        admin.close()
