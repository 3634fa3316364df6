"""An event at the door of a function, and the command that was decoded from it: each part computed once."""

from collections.abc import Mapping
from functools import cached_property
from typing import TYPE_CHECKING, NamedTuple

from taskmaster.database.inbox_rows import InboxKey
from taskmaster.domain.task import Command
from taskmaster.events.cloudevent import Received
from taskmaster.handling.idempotency import arrival_key, came_as, digest, event_key
from taskmaster.handling.operation import Operation

if TYPE_CHECKING:
    from cloudevents.http import CloudEvent


class Arrival:
    """An event that was delivered to a function: its attributes, its inbox keys and its digests."""

    def __init__(self, function: str, received: Received) -> None:
        self.function = function
        self.received = received

    @cached_property
    def attributes(self) -> Mapping[str, str]:
        """The attributes as they came. Raises Malformed."""
        return self.received.attributes

    @cached_property
    def key(self) -> InboxKey:
        """The key under which an attempt is counted before the data is decoded. Raises Malformed."""
        return arrival_key(self.function, self.received.checked)

    @cached_property
    def digest(self) -> bytes:
        """The digest of the type and of the body as they came."""
        return came_as(self.attributes, self.received.body)

    @cached_property
    def digests(self) -> tuple[bytes, ...]:
        """The same, and the digest of the body alone: rows of earlier releases have that one, for eight days."""
        return self.digest, digest(self.received.body)

    @property
    def event(self) -> "CloudEvent":
        """The decoded event. Raises Malformed."""
        return self.received.event

    @cached_property
    def event_key(self) -> InboxKey:
        """The key of the event itself: of a wrapped record, of the one inside. Raises Malformed."""
        return event_key(self.function, self.event.get_attributes())


class DecodedCommand(NamedTuple):
    """The command in an event, the operation that handles it, and what the inbox knows it by."""

    operation: Operation
    command: Command
    event: "CloudEvent"
    key: InboxKey  # of the event itself: of a wrapped record, of the one inside
    digest: bytes  # of the command
