"""Which transport carries the events, by TRANSPORT: chosen here and nowhere else, for runtime.py and for the tools.

The modules of a transport are imported where it is chosen. A tool asks here and not at runtime.py, whose imports would
double the time of a short command.
"""

from collections.abc import Iterable
from contextlib import AbstractContextManager

from taskmaster.broker.transport import Broker, TopicReader
from taskmaster.settings import Settings


def broker(settings: Settings) -> Broker:
    """Whom events are published to. Connects to nothing yet."""
    if settings.transport == "dapr":
        from taskmaster.broker.dapr import DaprBroker

        return DaprBroker(settings)
    from taskmaster.broker.producer import KafkaBroker

    return KafkaBroker(settings)


def reading(
    settings: Settings, topics: Iterable[str], *, decode_late: bool = False
) -> AbstractContextManager[TopicReader]:
    """A reader of these topics, by the names that they have there. Raises Unreadable.

    With `decode_late` its records may be such as are decoded when looked at, for whoever passes most of them over.
    """
    if settings.redis_url:
        from taskmaster.broker import redis_streams

        return redis_streams.reading(settings, topics)
    from taskmaster.broker import window

    return window.reading(settings, topics, decode_late=decode_late)


def address(settings: Settings) -> str:
    """Where topics are read, for a message: without a user or a password."""
    return settings.redis_address or ", ".join(settings.kafka_bootstrap_servers)
