"""The mailboxes: which topic wakes which function, through which component of Dapr, and for how long it is waited for.

Each mailbox has a component of its own, PUBSUB-FUNCTION, whose consumer group is the one of the function's KafkaSource.
So a topic that is missing stops no other, on Redis `concurrency` is set for each by itself, and the tools that know the
groups find them.
"""

from typing import NamedTuple

from taskmaster.events.routes import DISPATCH_DUE_REMINDERS, MAILBOXES, mailbox_of
from taskmaster.settings import Settings

DEAD_LETTER_SINK = "park-dead-letter"
SEND_REMINDER = "send-reminder"
IN = "/in/"
# As in eventing/*.yaml: longer than the Service's timeoutSeconds, so that the function ends the request first.
_SECONDS = 60.0
_SECONDS_OF_DISPATCH = 310.0


class Mailbox(NamedTuple):
    """One subscription: `topic` is its name on the broker, `seconds` how long its function may take to answer."""

    function: str
    topic: str
    seconds: float

    @property
    def path(self) -> str:
        """Where daprd delivers its events."""
        return IN + self.function


def mailboxes(settings: Settings) -> tuple[Mailbox, ...]:
    """All of them, by the function's name."""
    return tuple(
        Mailbox(
            function,
            settings.topic(mailbox_of(function)),
            _SECONDS_OF_DISPATCH if function == DISPATCH_DUE_REMINDERS else _SECONDS,
        )
        for function in (*MAILBOXES, SEND_REMINDER)
    )


def component(pubsub: str, function: str) -> str:
    """The name of the component that a function's mailbox is read through."""
    return f"{pubsub}-{function}"


def subscriptions(boxes: tuple[Mailbox, ...], *, pubsub: str) -> list[dict[str, object]]:
    """The answer to GET /dapr/subscribe."""
    return [
        {
            "pubsubname": component(pubsub, box.function),
            "topic": box.topic,
            "route": box.path,
            "metadata": {"rawPayload": "true"},
        }
        for box in boxes
    ]
