"""The newest dead letters, and one of them put back. Each call reads the topic anew, over a connection of its own."""

from collections.abc import Iterator
from contextlib import contextmanager

from taskmaster.broker import transports
from taskmaster.broker.transport import ReadingForbidden, Unreadable
from taskmaster.database.store import Database
from taskmaster.dead_letters.dead_letter import DeadLetter
from taskmaster.dead_letters.replay import DeadLetterTopic, NoSuchTopic, State, obstacle, replay, states
from taskmaster.errors import TaskmasterError
from taskmaster.events.routes import DEAD_LETTERS
from taskmaster.handling.answers import HttpRefusal, problem
from taskmaster.overview.shown import DeadLetterShown
from taskmaster.settings import Settings

NEWEST = 20


class LettersUnknown(TaskmasterError):
    """The dead letters cannot be read now. The text is a sentence for people."""


def newest(settings: Settings, database: Database) -> list[DeadLetterShown]:
    """The newest first. Raises LettersUnknown, Unavailable and Busy."""
    with _topic(settings) as topic:
        letters = _newest(topic)
        found = zip(letters, states(database, letters) if letters else [], strict=True)
        return [_shown(letter, state, settings, topic) for letter, state in found]


def put_back(settings: Settings, database: Database, partition: int, offset: int) -> str:
    """Put the event of one of the newest back, once; the topic it goes to.

    Raises HttpRefusal for one that is not there (404) or cannot go back (409), LettersUnknown, Unavailable and Busy.
    """
    with _topic(settings) as topic:
        letter = next((each for each in _newest(topic) if each.position == f"{partition}/{offset}"), None)
        if letter is None:
            detail = f"It is not among the newest {NEWEST}. `taskmaster dead-letters replay` puts back any."
            raise HttpRefusal(problem(404, "No such dead letter", detail))
        to = settings.topic(letter.mailbox)
        reason = obstacle(letter, None, to, topic)
    if reason:
        raise HttpRefusal(problem(409, "Not put back", f"It cannot go back as it is: {reason}."))
    was = replay(database, letter, topic=to)
    if was is not State.WAITING:
        raise HttpRefusal(problem(409, "Not put back", f"It does not wait any more: {was.value}."))
    return to


def _newest(topic: DeadLetterTopic) -> list[DeadLetter]:
    return sorted(topic.read(newest=NEWEST), key=lambda letter: letter.parked_at, reverse=True)[:NEWEST]


def _shown(letter: DeadLetter, state: State, settings: Settings, topic: DeadLetterTopic) -> DeadLetterShown:
    return DeadLetterShown(
        position=letter.position,
        parked_at=letter.parked_at,
        function=letter.function,
        type=letter.type,
        reason=letter.reason,
        state=state.value,
        obstacle=obstacle(letter, state, settings.topic(letter.mailbox), topic),
    )


@contextmanager
def _topic(settings: Settings) -> Iterator[DeadLetterTopic]:
    """The topic of dead letters, connected. Raises LettersUnknown for what goes wrong with it in the block."""
    name = settings.topic(DEAD_LETTERS)
    if settings.redis_url or not settings.kafka_bootstrap_servers:  # the functions' image has no client of Redis
        raise LettersUnknown("Here dead letters are not Kafka's: `taskmaster dead-letters` shows them.")
    try:
        with transports.reading(settings, [name]) as topics:
            yield DeadLetterTopic(topics, name)
    except (NoSuchTopic, ReadingForbidden):
        raise LettersUnknown(
            "The broker lets show-pack read no dead letters: its user needs READ on that topic."
        ) from None
    except (Unreadable, OSError) as error:
        raise LettersUnknown("The broker does not answer, so that the dead letters cannot be read.") from error
