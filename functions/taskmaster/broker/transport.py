"""What the pack needs of a transport: events put on topics in order and acknowledged, and topics read by the tools.

Apache Kafka's protocol is one (producer.py, window.py), Dapr another (dapr.py, with redis_streams.py to read what it
keeps on Redis). transports.py alone chooses; whoever publishes or reads knows these interfaces and errors alone.
"""

import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from datetime import datetime
from typing import Any, Protocol

from taskmaster.errors import TaskmasterError
from taskmaster.events.header_values import flaw
from taskmaster.events.outgoing import Outgoing

ProducerRecord = tuple[str, str, Mapping[str, str], bytes]  # topic, key, headers, value
_ABSENT_SECONDS = 30.0


class BrokerUnavailable(TaskmasterError):
    """The broker did not acknowledge in time. Nothing is lost: the event stays where it was."""


class Unsendable(TaskmasterError):
    """This record cannot be sent as it is: too large, no such topic, not allowed."""


class TooLarge(Unsendable):
    """More bytes than the broker, or the client, takes in one record."""


class Unreadable(TaskmasterError):
    """The broker's topics cannot be read. The text has what its client said, for a person."""


class ReadingForbidden(Unreadable):
    """The broker has such a topic, and this user may not read it."""


class Broker(Protocol):
    """Publishes events. Threads may share one; it connects when first used, and again after it was unavailable.

    `system` is its `messaging.system` by OpenTelemetry's semantic conventions.
    """

    system: str

    @property
    def is_connected(self) -> bool: ...

    def connect(self) -> None:
        """Find out that the broker answers. Raises BrokerUnavailable."""

    def produce(self, event: Outgoing, *, to: str) -> None:
        """Send one event to a topic and wait for the acknowledgement. Raises BrokerUnavailable or Unsendable."""
        _, failed = self.send([(0, (to, event.key, event.headers, event.value))])
        if failed:
            raise failed[0]

    def send(self, records: Iterable[tuple[int, ProducerRecord]]) -> tuple[set[int], dict[int, Exception]]:
        """Send records, each under a number; several may share one. Waits for every acknowledgement.

        Records of one key and topic are kept in the order in which they are given: behind one that failed none is
        acknowledged. Returns the numbers whose records were all acknowledged, and for the others BrokerUnavailable or
        Unsendable for one of them. A number that was not tried, since it is behind one that failed, is in neither.
        """

    def close(self) -> None: ...


def refuse_unsendable(headers: Mapping[str, str]) -> None:
    """Raises Unsendable for a value that no delivery could carry: on a topic it would block all records after it."""
    for name, text in headers.items():
        if reason := flaw(text):
            raise Unsendable(f"its header {name} {reason}")


class HeldUp:
    """What is not sent of one batch, since it is behind a record that failed: by key and topic."""

    def __init__(self, batch: Iterable[tuple[int, ProducerRecord]]) -> None:
        self._topics: dict[int, list[str]] = {}
        for number, (topic, *_) in batch:
            self._topics.setdefault(number, []).append(topic)
        self._held_up: set[tuple[str, str]] = set()

    def behind(self, number: int, key: str) -> None:
        """Hold up what follows a number that failed on any of its topics."""
        self._held_up.update((key, topic) for topic in self._topics[number])

    def __contains__(self, record: ProducerRecord) -> bool:
        topic, key, *_ = record
        return bool(self._held_up) and (key, topic) in self._held_up


class AbsentTopics:
    """Topics that were not there, and are not tried again for a while. Threads may share it."""

    def __init__(self) -> None:
        self._until: dict[str, float] = {}

    def add(self, topic: str) -> None:
        self._until[topic] = time.monotonic() + _ABSENT_SECONDS

    def __contains__(self, topic: str) -> bool:
        return self._until.get(topic, 0.0) > time.monotonic()


class TopicReader(Protocol):
    """Reads topics from a moment on, to where each ended when asked, over one connection. Nothing of it stays there.

    A record has topic, partition, offset, timestamp (milliseconds since 1970), key, headers and value, as a consumer
    of Kafka's has them; on a transport without partitions all are on partition 0.
    """

    def has(self, topic: str) -> bool:
        """Whether a topic is there and to be seen; always, where a topic is made by its first record."""

    def size(self) -> int:
        """How many records there are, at most. Raises Unreadable."""

    def read(
        self,
        *,
        since: datetime | None = None,
        newest: int | None = None,
        is_over: Callable[[Any], bool] = lambda record: False,
    ) -> Iterator[Any]:
        """Every record with a timestamp of `since` or later, in the order of each partition.

        Or, with `newest`, the last so many of each partition, whatever their time.
        A partition is read no further once `is_over` says so of a record. Raises Unreadable, and TimeoutError when
        the broker stays silent for as long as one request may take.
        """
