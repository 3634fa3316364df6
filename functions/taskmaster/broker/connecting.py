"""Why Kafka's client cannot connect: it raises that it could not in time, and says in its log alone what it met."""

import logging
from collections.abc import Iterator
from contextlib import contextmanager

_LOGGER = "kafka.net.manager"  # of kafka-python 3.0


class _Reasons(logging.Handler):
    """The exceptions that the lines of a logger are about, the last of them first."""

    def __init__(self) -> None:
        super().__init__()
        self.found: list[Exception] = []

    def emit(self, record: logging.LogRecord) -> None:
        said = record.args if isinstance(record.args, tuple) else ()
        self.found[:0] = [each for each in said if isinstance(each, Exception)]


@contextmanager
def explained() -> Iterator[None]:
    """Around making a client of Kafka's. Where it cannot connect in time, raises what its tries met: a connection that
    was refused, no such name, TLS, the user or the password; a KafkaError like the one that it takes the place of.
    """
    from kafka.errors import KafkaConnectionError, KafkaError, KafkaTimeoutError, RequestTimedOutError

    logger, reasons = logging.getLogger(_LOGGER), _Reasons()
    before = logger.level, logger.propagate
    logger.addHandler(reasons)
    logger.setLevel(logging.WARNING)
    logger.propagate = False
    try:
        yield
    except KafkaTimeoutError as error:
        too_late = (KafkaTimeoutError, RequestTimedOutError)
        told = [each for each in reasons.found if isinstance(each, KafkaError) and not isinstance(each, too_late)]
        # A broker that refuses a password says so on one try, and only hangs up on others.
        told.sort(key=lambda each: isinstance(each, KafkaConnectionError))
        raise (told[0] if told else error) from None
    finally:
        logger.removeHandler(reasons)
        logger.setLevel(before[0])
        logger.propagate = before[1]
