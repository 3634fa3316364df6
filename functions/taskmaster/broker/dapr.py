"""Publishing by the HTTP API of a daprd: transport.Broker on Dapr, whatever broker its Component stands for.

Each record is a request of its own, and 204 is its acknowledgement. The records of one key go one after another, since
of a bulk request Redis keeps no order; several keys go at once. An event is sent raw, in Kafka's binary mode: its
headers are metadata in the query, which become the headers of a record on Kafka, and fields beside the data on Redis.
"""

import threading
from collections.abc import Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from urllib.parse import quote, urlencode

from taskmaster.broker.transport import (
    AbsentTopics,
    Broker,
    BrokerUnavailable,
    HeldUp,
    ProducerRecord,
    TooLarge,
    Unsendable,
    refuse_unsendable,
)
from taskmaster.outbound.daprd import Answer, Daprd
from taskmaster.settings import Settings

PARTITION_KEY = "partitionKey"
RAW_PAYLOAD = "rawPayload"
_AT_ONCE = 4  # keys; more of them wait for the interpreter

# What daprd's answers say of a record that can never be sent. They are texts of its brokers' clients, in a 500.
_TOO_LARGE = ("MaxMessageBytes", "Message was too large", "stream too large", "message size larger")
_NO_TOPIC = ("topic or partition that does not exist", "does not exist on this broker")
_REFUSED = ("not authorized to access this topic", "invalid topic", "name of a topic")


class DaprBroker(Broker):
    """A daprd, asked when first used whether it publishes, and again after it was unavailable."""

    system = "dapr"

    def __init__(self, settings: Settings) -> None:
        token = settings.dapr_api_token.get_secret_value()
        self._daprd = Daprd(settings.dapr_url, token, seconds=settings.kafka_delivery_timeout)
        self._path = f"/v1.0/publish/{quote(settings.dapr_pubsub, safe='')}/"
        self._is_connected = False
        self._absent = AbsentTopics()

    @property
    def is_connected(self) -> bool:
        return self._is_connected

    def connect(self) -> None:
        """Ask daprd whether its components are ready to publish."""
        answer = self._ask("GET", "/v1.0/healthz/outbound")
        if answer.status != 204:
            raise BrokerUnavailable(f"daprd is not ready: {answer.reason}")
        self._is_connected = True

    def send(self, records: Iterable[tuple[int, ProducerRecord]]) -> tuple[set[int], dict[int, Exception]]:
        """Of a number with a topic of which it is known that it is not there nothing is sent."""
        batch = list(records)
        sending = _Sending(self._absent_of(batch))
        by_key: dict[str, list[tuple[int, ProducerRecord]]] = {}
        for number, record in batch:
            by_key.setdefault(record[1], []).append((number, record))
        if len(by_key) == 1:
            self._send_in_order(batch, sending)
        else:
            with ThreadPoolExecutor(min(_AT_ONCE, len(by_key)), "publish") as several:
                for done in [several.submit(self._send_in_order, each, sending) for each in by_key.values()]:
                    done.result()
        if sending.unavailable:
            self.close()
        else:
            self._is_connected = True
        return {number for number, _ in batch} - sending.failed.keys() - sending.untried, sending.failed

    def close(self) -> None:
        self._is_connected = False
        self._daprd.close()

    def _absent_of(self, batch: Iterable[tuple[int, ProducerRecord]]) -> Iterator[tuple[int, Exception]]:
        for number, (topic, *_) in batch:
            if topic in self._absent:
                yield number, _no_topic(topic)

    def _send_in_order(self, records: Sequence[tuple[int, ProducerRecord]], sending: "_Sending") -> None:
        """Send the records of one key, each when the one before it is acknowledged, and none behind one that failed."""
        held_up = HeldUp(records)
        for number, record in records:
            if sending.unavailable:
                sending.fail(number, sending.unavailable)
            elif number in sending.failed:
                held_up.behind(number, record[1])
            elif record in held_up:
                sending.untried.add(number)
            else:
                try:
                    self._send(*record)
                except (Unsendable, BrokerUnavailable) as error:
                    sending.fail(number, error)
                    held_up.behind(number, record[1])

    def _send(self, topic: str, key: str, headers: Mapping[str, str], value: bytes) -> None:
        """Raises BrokerUnavailable or Unsendable."""
        refuse_unsendable(headers)  # Dapr would deliver it again and again, and nothing behind it
        answer = self._ask("POST", f"{self._path}{quote(topic, safe='')}?{query(key, headers)}", value)
        if answer.status == 204:
            return
        error = failure(topic, answer)
        if isinstance(error, _NoTopic):
            self._absent.add(topic)
        raise error

    def _ask(self, method: str, path: str, body: bytes = b"") -> Answer:
        try:
            return self._daprd.ask(method, path, body, content_type="application/octet-stream")
        except OSError as error:
            raise BrokerUnavailable(f"daprd does not answer: {type(error).__name__}: {error}") from error


class _Sending:
    """What became of one batch, told by several threads."""

    def __init__(self, failed: Iterable[tuple[int, Exception]]) -> None:
        self.failed = dict(failed)
        self.untried: set[int] = set()  # behind one that failed
        self.unavailable: BrokerUnavailable | None = None
        self._lock = threading.Lock()

    def fail(self, number: int, error: Exception) -> None:
        """One of the records of a number is not sent. That nobody can be reached says more than another failure."""
        with self._lock:
            if isinstance(error, BrokerUnavailable):
                self.unavailable = self.unavailable or error
                self.failed[number] = error
            else:
                self.failed.setdefault(number, error)


class _NoTopic(Unsendable):
    """The broker has no such topic."""


def query(key: str, headers: Mapping[str, str]) -> str:
    """The query of a request that publishes a record with this key and these headers, as it is."""
    metadata = {RAW_PAYLOAD: "true", PARTITION_KEY: key, **headers}
    return urlencode({f"metadata.{name}": text for name, text in metadata.items()}, quote_via=quote, safe="/")


def failure(topic: str, answer: Answer) -> Unsendable | BrokerUnavailable:
    """What an answer other than 204 says: that the record can never be sent, or that it is to be sent again."""
    reason = answer.reason
    if answer.status == 413 or any(said in reason for said in _TOO_LARGE):
        return TooLarge(reason)
    if answer.status == 431:
        return Unsendable(f"{reason}: its headers are longer than daprd takes (--read-buffer-size)")
    if any(said in reason for said in _NO_TOPIC):
        return _no_topic(topic)
    if answer.status in (400, 403, 404) or any(said in reason for said in _REFUSED):
        return Unsendable(reason)
    if answer.status == 401:
        return BrokerUnavailable("daprd refuses DAPR_API_TOKEN")
    return BrokerUnavailable(f"daprd answered {reason}")


def _no_topic(topic: str) -> _NoTopic:
    return _NoTopic(f"there is no topic {topic}, or none that may be written to")
