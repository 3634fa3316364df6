"""The events of a story on the topics.

An id that says when it was made is looked for around that moment. What is found names others, and their ids say where
to look next. An id that says nothing has the topics read whole: one that was asked for, or that of a cause.
"""

from collections.abc import Iterable
from contextlib import AbstractContextManager
from datetime import datetime

from taskmaster.broker.transports import reading
from taskmaster.dead_letters.dead_letter import DeadLetter
from taskmaster.events import routes
from taskmaster.settings import Settings
from taskmaster.story.event import Event, Place, of_letter, of_record
from taskmaster.story.looks import NEVER, Look, Reader
from taskmaster.story.names import Names

_TURNS = 1_000  # a task that is changed every ten minutes has as many in a week, for which topics keep its events


def every_topic(settings: Settings) -> AbstractContextManager[Reader]:
    """A reader of all topics of ours, over a connection of its own. Raises Unreadable."""
    return reading(settings, map(settings.topic, routes.TOPICS), decode_late=True)


def find_events(
    topics: Reader,
    names: Names,
    *,
    letters: str,
    moments: Iterable[datetime] = (),
    since: datetime | None = None,
    until: datetime | None = None,
) -> list[Event]:
    """The events of a story, in the order in which they were first seen. `names` grows by what they are known by.

    Topics are read around `moments` and those that the names say; whole, where none is said or nothing is found there;
    from the oldest record on, where what an event follows from is not found there.
    `since` and `until` have them read from here to there at least: from when the first of it was made, or to the end,
    where one of the two is None. All moments are real time. `letters` is the topic of
    dead letters. Raises Unreadable, and TimeoutError when the broker stays silent.
    """
    search = _Search(topics, names, letters=letters)
    if since or until:
        made = min((*moments, *names.moments), default=None)
        begin = since or (Look.around(made).since if made else None)
        search.go_on([Look(since=begin, until=until or NEVER)])
    else:
        looks: list[Look] = []
        search.go_on(looks, moments=moments)
        if not search.found:
            search.go_on([Look()])
        elif not search.is_complete:
            looks.append(Look.before(looks))
            search.go_on(looks, moments=moments)
    for event in search.found.values():  # in the same order, whichever id led here
        event.places.sort(key=lambda each: (each.at, str(each)))
        event.letters.sort(key=lambda each: (each.parked_at, each.position))
    return sorted(search.found.values(), key=lambda each: (each.at or NEVER, each.id))


class _Search:
    """What was found so far."""

    def __init__(self, topics: Reader, names: Names, *, letters: str) -> None:
        self.found: dict[tuple[str, str], Event] = {}
        self._topics = topics
        self._names = names
        self._letters = letters

    @property
    def is_complete(self) -> bool:
        """Whether there is, with every event, the one that it follows from: ids of others say no time."""
        return self._names.causes <= {event.id for event in self.found.values()}

    def go_on(self, looks: list[Look], *, moments: Iterable[datetime] | None = None) -> None:
        """Look until no look finds a further name. With `moments` look around them, and around those of the names."""
        for _ in range(_TURNS):
            look = next((each for each in looks if each.names != self._names.count or not each.is_whole), None)
            if look is None and moments is not None:
                known = sorted({*moments, *self._names.moments})
                missing = next((at for at in known if not any(each.covers(at) for each in looks)), None)
                if missing is not None:
                    looks.append(look := Look.around(missing))
            if look is None:
                return
            self._take_all(look)

    def _take_all(self, look: Look) -> None:
        look.names = self._names.count
        for record in look.records(self._topics):
            if not self._names.may_concern(record):
                continue
            letter = DeadLetter.read(record) if record.topic == self._letters else None
            event = of_letter(letter) if letter else of_record(record)
            if not self._names.take(event):
                continue
            place = Place.of(record)
            look.go_on_after(place.at)
            known = self.found.setdefault(event.key, event)
            if letter and letter not in known.letters:
                known.letters.append(letter)
            elif not letter and place not in known.places:
                if not known.is_whole:  # a letter of it came first
                    known.data, known.cause, known.subject = event.data, event.cause, event.subject
                known.places.append(place)
