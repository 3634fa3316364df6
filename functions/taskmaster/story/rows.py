"""What the database knows of a story: rows of the inbox, of reminders, and what waits in the outbox."""

from collections.abc import Collection
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from psycopg.rows import tuple_row

from taskmaster.database.inbox_rows import InboxKey
from taskmaster.database.queries import named
from taskmaster.database.session import Busy, Login, StatementFailed, Unavailable
from taskmaster.settings import Settings
from taskmaster.story.event import Event, of_headers

_SQL, _TASKS = named("story.sql"), named("tasks.sql")


@dataclass(frozen=True, slots=True, kw_only=True)
class Handling:
    """What became of an event at one function. `status` is None while it is tried."""

    key: InboxKey
    attempts: int
    status: int | None
    reason: str
    received_at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class Reminder:
    """A reminder. Moments are business time; `closed_at` is real time."""

    id: str
    task_id: int
    user_id: str
    moment: datetime
    due_at: datetime
    fired_at: datetime | None
    closed_at: datetime | None
    attempts: int = 0
    outcomes: tuple[tuple[str, str, str], ...] = ()  # channel, outcome, detail


class Rows:
    """Both logins, each where its URL is set. What a login may not be asked is left out."""

    def __init__(self, settings: Settings) -> None:
        timeout = settings.database_timeout
        self._system, self._user = (
            Login(url, size=1, timeout=timeout) if (url := each.get_secret_value()) else None
            for each in (settings.system_database_url, settings.database_url)
        )

    @property
    def can_be_asked(self) -> bool:
        return self._system is not None

    def close(self) -> None:
        for each in (self._system, self._user):
            if each is not None:
                each.close()

    def handlings(self, keys: Collection[InboxKey]) -> dict[InboxKey, Handling]:
        """What became of these events. Raises Unavailable."""
        if not keys:
            return {}
        columns = [list(column) for column in zip(*keys, strict=True)]
        parameters = dict(zip(("functions", "user_ids", "sources", "ids"), columns, strict=True))
        return {
            (key := InboxKey._make(row[:4])): Handling(
                key=key, attempts=row[4], status=row[5], reason=row[6] or "", received_at=row[7]
            )
            for row in self._ask("inbox_of", parameters)
        }

    def waiting(self, correlations: Collection[str], subjects: Collection[str]) -> list[Event]:
        """The events of these stories and tasks in the outbox. Raises Unavailable."""
        parameters = {"correlations": list(correlations), "subjects": list(subjects)}
        return [of_headers(headers, waits_since=since) for headers, since in self._ask("outbox_of", parameters)]

    def reminders(self, *, tasks: Collection[int] = (), reminders: Collection[str] = ()) -> list[Reminder]:
        """Those of the tasks, and those of the ids, with what came of each channel. Raises Unavailable."""
        rows = self._ask("reminders_of", {"tasks": list(tasks), "reminders": list(reminders)})
        went = self._outcomes({row[2] for row in rows}, [row[0] for row in rows])
        return [
            Reminder(
                id=row[0],
                task_id=row[1],
                user_id=row[2],
                moment=row[3],
                due_at=row[4],
                fired_at=row[5],
                closed_at=row[6],
                attempts=went.get(row[0], (0, ()))[0],
                outcomes=went.get(row[0], (0, ()))[1],
            )
            for row in rows
        ]

    def _outcomes(self, users: set[str], ids: list[str]) -> dict[str, tuple[int, tuple[tuple[str, str, str], ...]]]:
        found: dict[str, tuple[int, tuple[tuple[str, str, str], ...]]] = {}
        if self._user is None:
            return found
        for user in users:
            with suppress(Unavailable, Busy, StatementFailed), self._user.transaction() as session:
                session.later(_TASKS["as_user"], {"user_id": user})
                for reminder, attempts, outcomes in session.fetch(_SQL["outcomes_of"], {"reminders": ids}, tuple_row):
                    told = tuple((name, each["outcome"], each["detail"]) for name, each in sorted(outcomes.items()))
                    found[reminder] = attempts, told
        return found

    def _ask(self, query: str, parameters: dict[str, Any]) -> list[tuple[Any, ...]]:
        if self._system is None:
            return []
        with self._system.transaction() as session:
            return session.fetch(_SQL[query], parameters, tuple_row)
