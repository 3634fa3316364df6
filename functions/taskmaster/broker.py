"""Kafka: the producer's settings for Redpanda Cloud, Confluent, Strimzi and plain brokers, and one acknowledged send.

kafka is imported when the first event is published, which is after the first answer: it costs more than all else here.
"""

import logging
from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any

from taskmaster.events import Outgoing
from taskmaster.settings import Settings

if TYPE_CHECKING:
    from kafka import KafkaProducer

log = logging.getLogger(__name__)

Record = tuple[str, str, Mapping[str, str], bytes]  # topic, key, headers, value
_METADATA_TIMEOUT = 5.0


class BrokerUnavailable(Exception):
    """The broker did not acknowledge in time. Nothing is lost: the event stays where it was."""


class Unsendable(Exception):
    """This record cannot be sent as it is: too large, no such topic, not allowed."""


def connection_settings(settings: Settings) -> dict[str, Any]:
    """What every Kafka client here needs to connect: producer, admin and consumer."""
    options: dict[str, Any] = {
        "bootstrap_servers": list(settings.kafka_bootstrap_servers),
        "security_protocol": settings.kafka_security_protocol,
        "request_timeout_ms": int(settings.kafka_request_timeout * 1000),
        "client_id": "taskmaster",
    }
    if settings.kafka_security_protocol.startswith("SASL"):
        options["sasl_mechanism"] = settings.kafka_sasl_mechanism
        options["sasl_plain_username"] = settings.kafka_sasl_username
        options["sasl_plain_password"] = settings.kafka_sasl_password.get_secret_value()
    for option in ("ssl_cafile", "ssl_certfile", "ssl_keyfile"):
        if value := getattr(settings, f"kafka_{option}"):
            options[option] = value
    return options


class Broker:
    """A producer that is made when first used, and made anew after the broker was away."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._producer: KafkaProducer | None = None

    def deliver(self, event: Outgoing, *, to: str) -> None:
        """Send one event to a topic and wait for the acknowledgement. Raises BrokerUnavailable or Unsendable."""
        _, failed = self.send([(0, (to, event.key, event.headers, event.value))])
        if failed:
            raise failed[0]

    def send(self, records: Iterable[tuple[int, Record]]) -> tuple[set[int], dict[int, Exception]]:
        """Send records, each under a number; several may share one. Waits for every acknowledgement.

        Returns the numbers whose records were all acknowledged, and for the others what went wrong with one of them.
        """
        futures: list[tuple[int, Any]] = []
        failed: dict[int, Exception] = {}
        missing: set[str] = set()
        numbers: set[int] = set()
        for number, (topic, key, headers, value) in records:
            numbers.add(number)
            try:
                futures.append((number, self._send(topic, key, headers, value, missing)))
            except (Unsendable, BrokerUnavailable) as error:
                failed[number] = error
        for number, future in futures:
            try:
                future.get(timeout=self._settings.kafka_delivery_timeout + 5)
            except Exception as error:
                failed[number] = _classified(error)
        if any(isinstance(error, BrokerUnavailable) for error in failed.values()):
            self.close()
        return numbers - failed.keys(), failed

    def _send(self, topic: str, key: str, headers: Mapping[str, str], value: bytes, missing: set[str]) -> Any:
        if topic in missing:
            raise Unsendable(f"there is no topic {topic}")
        try:
            return self._connected().send(
                topic,
                key=key.encode(),
                value=value,
                headers=[(name, text.encode()) for name, text in headers.items()],
            )
        except Exception as error:
            classified = _classified(error)
            if isinstance(classified, Unsendable):
                missing.add(topic)
            raise classified from error

    def _connected(self) -> "KafkaProducer":
        if self._producer is None:
            from kafka import KafkaProducer

            # One request in flight keeps the order without idempotence, which would take one of the plan's
            # producer ids for every pod; repeats are removed by the inbox of whoever reads.
            self._producer = KafkaProducer(
                **connection_settings(self._settings),
                acks="all",
                enable_idempotence=False,
                max_in_flight_requests_per_connection=1,
                delivery_timeout_ms=int(self._settings.kafka_delivery_timeout * 1000),
                max_block_ms=int(_METADATA_TIMEOUT * 1000),
                retry_backoff_ms=100,
                linger_ms=1,
            )
        return self._producer

    def close(self) -> None:
        producer, self._producer = self._producer, None
        if producer is not None:
            producer.close(timeout=1)


def _classified(error: Exception) -> Exception:
    """Whether to wait for the broker or to look at the record."""
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
    )
    if isinstance(error, (Unsendable, BrokerUnavailable)):
        return error
    if isinstance(error, final):
        return Unsendable(f"{type(error).__name__}: {error}")
    return BrokerUnavailable(f"{type(error).__name__}: {error}")
