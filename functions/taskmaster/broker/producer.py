"""The Kafka producer: its settings for Redpanda Cloud, Confluent, Strimzi and plain brokers, and acknowledged sends.

kafka is imported when the first event is published, which is after the first answer: no other import takes as long.
"""

import threading
from collections.abc import Iterable, Mapping
from functools import partial
from typing import TYPE_CHECKING, Any

from taskmaster.broker.connecting import explained
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
from taskmaster.settings import Settings

if TYPE_CHECKING:
    from kafka import KafkaProducer

_PATIENCE_MS = 5_000  # for a broker to say where a topic is: a claim's rows are locked meanwhile
_LINGER_MS = 1
_BATCH_BYTES = 131_072  # of one partition; as shipped an eighth of it, which makes a batch of a few records a request
_LARGEST_RECORD = 1_310_720  # a broker takes 1 MiB as shipped; a dead letter of that size has its reasons on top


def connection_settings(settings: Settings) -> dict[str, Any]:
    """What every Kafka client here needs to connect: producer, admin and consumer."""
    options: dict[str, Any] = {
        "bootstrap_servers": list(settings.kafka_bootstrap_servers),
        "security_protocol": settings.kafka_security_protocol,
        "request_timeout_ms": int(settings.kafka_request_timeout * 1000),
        "client_id": "taskmaster",
        "reconnect_backoff_max_ms": 2_000,  # as shipped, it may take half a minute to see that a broker is back
    }
    if settings.kafka_security_protocol.startswith("SASL"):
        options["sasl_mechanism"] = settings.kafka_sasl_mechanism
        options["sasl_plain_username"] = settings.kafka_sasl_username
        options["sasl_plain_password"] = settings.kafka_sasl_password.get_secret_value()
    for option in ("ssl_cafile", "ssl_certfile", "ssl_keyfile"):
        if value := getattr(settings, f"kafka_{option}"):
            options[option] = value
    return options


class KafkaBroker(Broker):
    """A producer, made when first used, and again after the broker was unavailable: transport.Broker on Kafka."""

    system = "kafka"

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._producer: KafkaProducer | None = None
        self._lock = threading.Lock()
        self._absent = AbsentTopics()

    @property
    def is_connected(self) -> bool:
        return self._producer is not None

    def connect(self) -> None:
        """Have a producer that knows a broker."""
        self._connected()

    def send(self, records: Iterable[tuple[int, ProducerRecord]]) -> tuple[set[int], dict[int, Exception]]:
        """Of a number that has a topic which is not there nothing is sent."""
        batch = list(records)
        numbers = {number for number, _ in batch}
        failed: dict[int, Exception] = {}
        held_up = HeldUp(batch)
        untried: set[int] = set()
        futures: list[tuple[int, Any]] = []
        several_of_a_key = len(numbers) > len({key for _, (_, key, *_) in batch})
        try:
            absent = {topic for topic in {topic for _, (topic, *_) in batch} if not self._has(topic)}
            failed = {number: _no_topic(topic) for number, (topic, *_) in batch if topic in absent}
            producer = None
            for number, record in batch:
                if number in failed:
                    held_up.behind(number, record[1])
                    continue
                if record in held_up:
                    untried.add(number)
                    continue
                producer = producer or self._connected()  # one for the batch, whatever another thread does
                try:
                    future = _send(producer, *record)
                except Unsendable as error:
                    failed[number] = error
                    held_up.behind(number, record[1])
                    continue
                futures.append((number, future))
                if several_of_a_key:
                    future.add_errback(partial(_abandon, producer))
        except BrokerUnavailable as error:  # whatever came before it may still be acknowledged
            sent = {number for number, _ in futures}
            failed |= dict.fromkeys(numbers - sent - failed.keys(), error)
        for number, future in futures:
            try:
                future.get(timeout=self._settings.kafka_delivery_timeout + 5)
            except Exception as error:
                failed[number] = _classified(error)
        if any(isinstance(error, BrokerUnavailable) for error in failed.values()):
            self.close()
        return numbers - failed.keys() - untried, failed

    def close(self) -> None:
        with self._lock:
            producer, self._producer = self._producer, None
        if producer is not None:
            producer.close(timeout=1)

    def _has(self, topic: str) -> bool:
        """Whether the broker has the topic and shows it to this client. Raises BrokerUnavailable.

        A producer waits in vain for a topic that is not there, just as for a broker that is not. So whoever waited in
        vain asks the broker which topics it has, and one that is not among them is taken for absent a while.
        """
        if topic in self._absent:
            return False
        try:
            self._connected().partitions_for(topic)
        except Exception as error:
            if not isinstance(_classified(error), Unsendable) and self._shows(topic) is not False:
                raise _classified(error) from error
            self._absent.add(topic)
            self.close()  # this producer would go on asking for the topic, ten times a second
            return False
        return True

    def _shows(self, topic: str) -> bool | None:
        """What the broker says of a topic when it is asked anew, or None where it does not answer.

        That it answers is not enough: it may have come back since it was waited for.
        """
        from kafka import KafkaAdminClient
        from kafka.errors import KafkaError

        try:
            client = KafkaAdminClient(**connection_settings(self._settings), bootstrap_timeout_ms=_PATIENCE_MS)
        except KafkaError:
            return None
        try:
            return topic in client.list_topics()
        except KafkaError:
            return None
        finally:
            client.close()

    def _connected(self) -> "KafkaProducer":
        with self._lock:
            if self._producer is None:
                self._producer = self._connect()
            return self._producer

    def _connect(self) -> "KafkaProducer":
        """Raises BrokerUnavailable."""
        from kafka import KafkaProducer

        options = connection_settings(self._settings)
        delivery_ms = int(self._settings.kafka_delivery_timeout * 1000)
        # kafka-python refuses a request that may take longer than its delivery.
        options["request_timeout_ms"] = min(options["request_timeout_ms"], delivery_ms - _LINGER_MS)
        try:
            with explained():
                # One request in flight keeps the order without idempotence, which would take one of the plan's
                # producer ids for every pod; repeats are removed by the inbox of whoever reads.
                return KafkaProducer(
                    **options,
                    acks="all",
                    enable_idempotence=False,
                    max_in_flight_requests_per_connection=1,
                    delivery_timeout_ms=delivery_ms,
                    bootstrap_timeout_ms=options["request_timeout_ms"],
                    max_block_ms=_PATIENCE_MS,
                    retry_backoff_ms=100,
                    linger_ms=_LINGER_MS,
                    batch_size=_BATCH_BYTES,
                    max_request_size=_LARGEST_RECORD,
                )
        except Exception as error:
            raise BrokerUnavailable(f"{type(error).__name__}: {error}") from error


def _send(producer: "KafkaProducer", topic: str, key: str, headers: Mapping[str, str], value: bytes) -> Any:
    """What kafka-python returns of a record that it is to send. Raises Unsendable and BrokerUnavailable."""
    refuse_unsendable(headers)
    try:
        return producer.send(
            topic,
            key=key.encode(),
            value=value,
            headers=[(name, text.encode()) for name, text in headers.items()],
        )
    except Exception as error:
        raise _classified(error) from error


def _abandon(producer: "KafkaProducer", _: Exception) -> None:
    """Send nothing more of a batch, since a record of it failed: what is behind it would come before it.

    kafka-python calls this in the thread that sends, before that takes up the next batch of the partition. Its
    `close(timeout=0)`, meant for this, waits for that very thread.
    """
    producer._sender.force_close()


def _no_topic(topic: str) -> Unsendable:
    return Unsendable(f"there is no topic {topic}, or none that this user may write to")


def _classified(error: Exception) -> Exception:
    """The error as BrokerUnavailable, to try again, or as Unsendable, where the record is at fault."""
    from kafka import errors

    final = (
        errors.MessageSizeTooLargeError,
        errors.RecordListTooLargeError,
        errors.InvalidTopicError,
        errors.UnknownTopicOrPartitionError,
        errors.TopicAuthorizationFailedError,
        errors.InvalidRecordError,
        AssertionError,
        TypeError,
        ValueError,  # no name of a topic
    )
    if isinstance(error, (Unsendable, BrokerUnavailable)):
        return error
    if isinstance(error, final):
        kind = TooLarge if isinstance(error, errors.MessageSizeTooLargeError) else Unsendable
        return kind(f"{type(error).__name__}: {error}")
    return BrokerUnavailable(f"{type(error).__name__}: {error}")
