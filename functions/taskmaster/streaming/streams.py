"""All streams of one process: one thread asks the database for whom there is news, and sends it.

One query finds which streams have news, whichever users they are of; only for those changes are read. PostgreSQL's
NOTIFY would need a session of its own, which a pooler in transaction mode does not give, and Kafka would send every
user's events to every process. docs/changes.md has the figures.
"""

import logging
import time
from collections import Counter, defaultdict
from collections.abc import Callable
from dataclasses import dataclass
from threading import Condition, Thread

from taskmaster.database.session import Busy, Unavailable
from taskmaster.database.store import Database
from taskmaster.domain.changes import ChangePosition, read_on
from taskmaster.domain.task import Refused
from taskmaster.errors import TaskmasterError
from taskmaster.streaming.server_sent import COMMENT, RETRY, change_event, ready_event
from taskmaster.streaming.sinks import Sink

log = logging.getLogger(__name__)

STREAMS_OF_A_USER = 5  # of one process
LOOK_SECONDS = 0.2  # between two looks for news
COMMENT_SECONDS = 15.0
_PAGE = 100
_AFTER_AN_OUTAGE = 1.0  # seconds


class TooManyStreams(TaskmasterError):
    """This user has as many streams in this process as one may have."""


@dataclass(eq=False, kw_only=True)
class _Stream:
    user_id: str
    position: ChangePosition
    sink: Sink
    ends_at: float  # monotonic
    comments_at: float
    is_behind: bool = True  # whether there may be changes to read, which was not asked yet
    is_ready: bool = False


class ChangeStreams:
    """One per process. Its thread runs while there is a stream."""

    def __init__(self, database: Database, *, seconds: float) -> None:
        """`seconds` is how long a stream lasts before the client has to connect again."""
        self._database = database
        self._seconds = seconds
        self._changed = Condition()
        self._streams: set[_Stream] = set()
        self._thread: Thread | None = None
        self._is_stopping = False

    def open(self, user_id: str, position: ChangePosition, make_sink: Callable[[], Sink]) -> Sink:
        """Send the changes behind a position until the stream ends. Raises TooManyStreams."""
        with self._changed:
            of_user = sum(1 for each in self._streams if each.user_id == user_id and each.sink.is_open)
            if of_user >= STREAMS_OF_A_USER:
                raise TooManyStreams
            sink = make_sink()
            sink.write(RETRY)
            if self._is_stopping:
                sink.end()
                return sink
            now = time.monotonic()
            self._streams.add(
                _Stream(
                    user_id=user_id,
                    position=position,
                    sink=sink,
                    ends_at=now + self._seconds,
                    comments_at=now + COMMENT_SECONDS,
                )
            )
            if self._thread is None:
                self._thread = Thread(target=self._run, name="streams", daemon=True)
                self._thread.start()
            self._changed.notify_all()
            return sink

    def stop(self) -> None:
        """End all streams, since the process is to end. Their clients connect again, and miss nothing."""
        with self._changed:
            self._is_stopping = True
            for each in self._streams:
                each.sink.end()
            self._streams.clear()
            self._changed.notify_all()

    def _run(self) -> None:
        while streams := self._current():
            pause = LOOK_SECONDS
            try:
                self._send_news(streams)
                if any(each.is_behind for each in streams):
                    pause = 0.0
            except (Unavailable, Busy) as error:
                log.warning("streams wait: %s", error)
                pause = _AFTER_AN_OUTAGE
            except Exception:
                log.exception("streams end")  # their clients connect again
                self._end_all()
            with self._changed:
                if not any(each.is_behind for each in self._streams - set(streams)):
                    self._changed.wait(pause)

    def _current(self) -> list[_Stream]:
        """The streams that go on. Without one the thread ends, under the lock, so that the next one starts another."""
        now = time.monotonic()
        with self._changed:
            for each in list(self._streams):
                if not each.sink.is_open or now >= each.ends_at:
                    each.sink.end()
                    self._streams.remove(each)
                elif now >= each.comments_at:
                    each.sink.write(COMMENT)
                    each.comments_at = now + COMMENT_SECONDS
            if not self._streams:
                self._thread = None
            return list(self._streams)

    def _end_all(self) -> None:
        with self._changed:
            for each in self._streams:
                each.sink.end()

    def _send_news(self, streams: list[_Stream]) -> None:
        """A page for each stream that has changes, and whose client has taken what was sent before."""
        groups: dict[tuple[str, ChangePosition], list[_Stream]] = defaultdict(list)
        quiet: dict[tuple[str, ChangePosition], list[_Stream]] = defaultdict(list)
        for each in streams:
            if not each.sink.pending:
                (groups if each.is_behind else quiet)[each.user_id, each.position].append(each)
        if quiet:
            with self._database.as_system() as system:
                groups.update({key: quiet[key] for key in system.readers_with_changes(list(quiet))})
        for (user_id, position), group in groups.items():
            self._send_page(user_id, position, group)

    def _send_page(self, user_id: str, position: ChangePosition, group: list[_Stream]) -> None:
        """Several pages of one user are often at the same place: they are sent the same."""
        with self._database.as_user(user_id) as transaction:
            found = transaction.read_changes(position, _PAGE + 1)
        try:
            changes, then, more = read_on(position, found, limit=_PAGE)
        except Refused:  # the database is another one by now: whoever connects again is told
            for each in group:
                each.sink.end()
            return
        upto = position.upto or found.kept
        last = len(changes) - 1
        sent = b"".join(
            change_event(
                change,
                then
                if number == last
                else position._replace(upto=upto, change=change.in_transaction, task_id=change.what.task_id),
            )
            for number, change in enumerate(changes)
        )
        for each in group:
            each.position, each.is_behind = then, more
            if sent:
                each.sink.write(sent)
            if not more and not each.is_ready:
                each.is_ready = True
                each.sink.write(ready_event(then))

    def counts(self) -> Counter[str]:
        """How many streams there are, by user."""
        with self._changed:
            return Counter(each.user_id for each in self._streams)
