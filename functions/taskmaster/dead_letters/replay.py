"""Dead letters: the topic read from its oldest record to its end at the call, and an event put back into its mailbox.

An inbox row of its own says that a dead letter was replayed, for longer than the topic keeps the dead letter. One
transaction writes that row, deletes the failed attempts, and puts the event into the outbox.
"""

import enum
from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime

from taskmaster.broker.transport import TopicReader
from taskmaster.database.inbox_rows import InboxKey, InboxRow
from taskmaster.database.store import Database
from taskmaster.dead_letters.dead_letter import DeadLetter
from taskmaster.errors import TaskmasterError
from taskmaster.events import routes
from taskmaster.handling.idempotency import KEEP_EVENTS, digest, was_handled


class State(enum.Enum):
    """The state of a dead letter."""

    WAITING = "waiting"
    REPLAYED = "replayed"  # its event is not handled yet, or failed again and has another dead letter
    HANDLED = "handled"  # its event had its effect, or was refused by a rule
    TAKEN = "id taken"  # another command was handled under its id, so that this one cannot be


class NoSuchTopic(TaskmasterError):
    """The broker has no such topic, or none that this user may see."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Filter:
    """Which dead letters are selected; a field that is None or empty selects all. Of parked_at: since <= t < until.

    A name is the position of a dead letter (PARTITION/OFFSET) or the id of its event.
    """

    names: Collection[str] = ()
    task_id: int | None = None
    type: str | None = None
    user: str | None = None
    function: str | None = None
    since: datetime | None = None
    until: datetime | None = None

    def takes(self, letter: DeadLetter) -> bool:
        return (
            (not self.names or letter.position in self.names or letter.id in self.names)
            and self.task_id in (None, letter.task_id)
            and self.type in (None, letter.type)
            and self.user in (None, letter.user_id)
            and self.function in (None, letter.function)
            and (self.since is None or letter.parked_at >= self.since)
            and (self.until is None or letter.parked_at < self.until)
        )


class DeadLetterTopic:
    """A topic of dead letters."""

    def __init__(self, topics: TopicReader, name: str) -> None:
        """`topics` reads the topic of this name. Raises NoSuchTopic."""
        if not topics.has(name):
            raise NoSuchTopic(name)
        self._topics = topics

    def read(self, *, newest: int | None = None) -> Iterator[DeadLetter]:
        """Every dead letter that is there now, in the order of each partition, or the newest so many of each.

        Raises as TopicReader.read does.
        """
        return map(DeadLetter.read, self._topics.read(newest=newest))

    def has_mailbox(self, name: str) -> bool:
        """Whether an event can be put back there."""
        return self._topics.has(name)


def states(database: Database, letters: Iterable[DeadLetter]) -> list[State]:
    """The state of each. Raises Unavailable or Busy."""
    asked = list(letters)
    with database.as_system() as transaction:
        rows = transaction.read_inbox([key for letter in asked for key in (letter.marker, letter.event) if key])
    return [_state(letter, rows) for letter in asked]


def obstacle(letter: DeadLetter, state: State | None, to: str, topic: DeadLetterTopic) -> str:
    """Why a dead letter of this topic cannot be replayed to the mailbox `to`; '' where it can.

    The name of a mailbox may be anything that the record says, control characters among it.
    """
    if letter.obstacle:
        return letter.obstacle
    if state is State.TAKEN:
        return "another command was handled under its id; produce it anew under an id of its own"
    if letter.mailbox in (routes.TASK_EVENTS, routes.TASK_UPDATES, routes.DEAD_LETTERS):
        return f"{letter.mailbox} is no function's mailbox"
    if not topic.has_mailbox(to):
        return f"there is no topic {to}, or none that this user may see"
    return ""


def replay(database: Database, letter: DeadLetter, *, topic: str, again: bool = False, send: bool = True) -> State:
    """Put the event of a dead letter into the outbox, for its mailbox `topic`, and reset its attempts.

    Returns the state that it had: only a WAITING one is replayed, unless `again`. A handled event never has its effect
    again: when replayed, it gets its first answer. Without `send` the dead letter is only marked, because its event is
    replayed by another one. Raises Unavailable, and Busy while the event is being handled.
    """
    with database.as_system() as transaction:
        row = transaction.lock_inbox(letter.event) if letter.event else None
        found = _state(letter, {letter.event: row} if letter.event and row else {})
        if found is State.TAKEN or (found is State.HANDLED and not again):
            return found
        marker = transaction.count_attempt(letter.marker, digest(letter.value), KEEP_EVENTS)
        if marker.status is not None and not again:
            return State.REPLAYED
        if found is not State.HANDLED:
            for key in letter.keys:
                transaction.forget_inbox(key)
        if send:
            transaction.insert_outbox(letter.original_event(topic=topic))
        transaction.answer_inbox(letter.marker, 204, None)
    return State.WAITING


def _state(letter: DeadLetter, rows: Mapping[InboxKey, InboxRow]) -> State:
    row = rows.get(letter.event) if letter.event else None
    if row is not None and was_handled(row):
        return State.HANDLED if letter.is_of(row) else State.TAKEN
    marker = rows.get(letter.marker)
    return State.REPLAYED if marker is not None and marker.status is not None else State.WAITING
