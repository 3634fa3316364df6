"""PostgreSQL and a Kafka broker out of Python wheels: no container, no package manager, no network.

    with postgres(Path(".local")) as server, broker() as bootstrap_servers:
        psycopg.connect(server.url)

PostgreSQL keeps its data in the directory it is given; without one it is a throw-away. The broker keeps
everything in memory and forgets it when it stops. Both listen on 127.0.0.1 alone.
"""

from knative.local.kafka_broker import broker
from knative.local.postgresql import Server, postgres
from knative.local.wheels import EmbeddedError

__all__ = ["EmbeddedError", "Server", "broker", "postgres"]
