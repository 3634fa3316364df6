"""To-do lists as one would explain them on paper: no HTTP, SQL, events or calendar library, and nothing of the product.

Every task is due on a day, in UTC; a series repeats after so many days. What an operation must do to the list, and
which facts and reminders must come of it, is written down here once more, in other words than the product's.
"""

from collections import Counter
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, time, timedelta

STALE = timedelta(hours=24)
DAY_HOUR = time(9, tzinfo=UTC)


@dataclass
class Series:
    """Dates are start, start + step, ...; `reached` numbers the one that the head was made for, from 0."""

    start: date
    step: int
    last: int | None  # the number of the last date, where COUNT ends it
    from_completion: bool
    head: int  # the occurrence that is open, or was completed last
    title: str
    reached: int = 0
    reached_before: int = 0
    over: bool = False
    paused: bool = False


@dataclass
class Entry:
    title: str
    due: date | None
    series: int | None
    occurrence: int | None
    version: int = 1
    completed_at: datetime | None = None


@dataclass
class TodoList:
    """Everything of one user. Methods are named by what is asked; `now` is business time.

    `facts` are (type, task, version) in the order in which they must be told, `rung` the reminders that must have
    come: (type, task, moment). `bells` are the rows behind: armed, fired or closed.
    """

    tasks: dict[int, Entry] = field(default_factory=dict)
    series: dict[int, Series] = field(default_factory=dict)
    facts: list[tuple[str, int, int]] = field(default_factory=list)
    bells: dict[tuple[int, datetime], str] = field(default_factory=dict)
    rung: Counter[tuple[str, int, datetime]] = field(default_factory=Counter)

    def created(
        self, task_id: int, title: str, due: date | None, now: datetime, *, repeats: Series | None = None
    ) -> None:
        self.tasks[task_id] = Entry(title, due, task_id if repeats else None, 1 if repeats else None)
        if repeats:
            self.series[task_id] = repeats
        self._tell("task.created", task_id)
        self._arm(task_id, now)

    def completed(self, task_id: int, now: datetime) -> bool:
        """Whether that was a completion: a second one is none."""
        task = self.tasks[task_id]
        if task.completed_at:
            return False
        task.completed_at = now
        self._changed("task.completed", task_id)
        self._arm(task_id, now)
        return True

    def completion_heard(self, task_id: int, now: datetime, *, told_at: datetime, new_id: int | None) -> None:
        """schedule-next-recurrence is told of a completion, however late and often; `new_id` is what it made."""
        task = self.tasks.get(task_id)
        series = self.series.get(task.series) if task and task.series else None
        follows = task and task.completed_at and series and self._is_head(task) and not (series.over or series.paused)
        if not (task and task.completed_at and series and follows):
            assert new_id is None, "a successor that nothing asked for"
            return
        following = self._next(task, series, task.completed_at)
        if following is None:
            series.over = True
            self._tell("task.recurring.ended", task_id)
            return
        assert new_id is not None, "a completion without a successor"
        number, day = following
        series.reached_before, series.reached = series.reached, number
        series.head += 1
        self.tasks[new_id] = Entry(series.title, day, task.series, series.head)
        self._tell("task.recurring.next", new_id)
        self._tell("task.created", new_id)
        self._arm(new_id, now, asked_at=min(max(told_at, now - STALE), now))

    def reopened(self, task_id: int, now: datetime) -> int:
        """The status of the answer: 409 where a later occurrence was touched, or follows another completed one."""
        task = self.tasks[task_id]
        if not task.completed_at:
            return 200
        later = [
            other
            for other, entry in self.tasks.items()
            if task.series and entry.series == task.series and (entry.occurrence or 0) > (task.occurrence or 0)
        ]
        successor = max(later, key=lambda other: self.tasks[other].occurrence or 0, default=None)
        series = self.series.get(task.series) if task.series else None
        if successor and task.occurrence:
            other = self.tasks[successor]
            if other.version > 1 or other.occurrence != task.occurrence + 1:
                return 409
        if successor and series:
            self._gone(successor)
            series.head, series.reached, series.over = series.head - 1, series.reached_before, False
        elif series and series.over and self._is_head(task):
            series.over = False
        task.completed_at = None
        self._changed("task.updated", task_id)
        self._arm(task_id, now)
        return 200

    def deleted(self, task_id: int, now: datetime, *, only_this: bool) -> None:
        task = self.tasks[task_id]
        series = self.series.get(task.series) if task.series else None
        leads = series is not None and not series.over and self._is_head(task)
        if series and leads and only_this and not task.completed_at:
            self._move_on(task_id, series, now)
            return
        if series and leads:
            series.over = True
        self._gone(task_id)

    def skipped(self, task_id: int, now: datetime) -> int:
        """The status of the answer: 409 where there is nothing to skip, 204 where the series ended with it."""
        task = self.tasks[task_id]
        series = self.series.get(task.series) if task.series else None
        if series is None or series.over or task.completed_at or not self._is_head(task):
            return 409
        return 200 if self._move_on(task_id, series, now) else 204

    def renamed(self, task_id: int, title: str) -> None:
        task = self.tasks[task_id]
        if title == task.title:
            return
        task.title = title
        if task.series and self._is_head(task):
            self.series[task.series].title = title
        self._changed("task.updated", task_id)

    def moved(self, task_id: int, due: date, now: datetime) -> None:
        """Another day for this occurrence alone."""
        if self.tasks[task_id].due == due:
            return
        self.tasks[task_id].due = due
        self._changed("task.updated", task_id)
        self._arm(task_id, now)

    def fired(self, now: datetime) -> None:
        """The dispatcher has looked."""
        for (task_id, moment), state in self.bells.items():
            if state == "armed" and moment <= now:
                is_stale = moment <= now - STALE
                self.bells[task_id, moment] = "closed" if is_stale else "fired"
                self.rung["reminder.failed" if is_stale else "reminder.due", task_id, moment] += 1

    def open_occurrences(self) -> Counter[int]:
        return Counter(task.series for task in self.tasks.values() if task.series and not task.completed_at)

    def _is_head(self, task: Entry) -> bool:
        return task.series is not None and self.series[task.series].head == task.occurrence

    def _next(self, task: Entry, series: Series, done_at: datetime) -> tuple[int, date] | None:
        """The number and the day of the date that follows."""
        number = series.reached + 1
        if series.from_completion:
            day = done_at.date() + timedelta(days=series.step)
        else:
            later_than = max(done_at.date(), task.due or date.min)
            while series.start + timedelta(days=number * series.step) <= later_than:
                number += 1
            day = series.start + timedelta(days=number * series.step)
        return None if series.last is not None and number > series.last else (number, day)

    def _move_on(self, task_id: int, series: Series, now: datetime) -> bool:
        task = self.tasks[task_id]
        on_its_date = datetime.combine(task.due, time(12, tzinfo=UTC)) if task.due else now
        following = self._next(task, series, max(now, on_its_date))
        if following is None:
            series.over = True
            self._tell("task.recurring.ended", task_id)
            self._gone(task_id)
            return False
        series.reached, self.tasks[task_id].due = following
        task.title = series.title  # what it was called alone is gone: it is as a successor would have come
        self.tasks[task_id].version += 1
        self._tell("task.recurring.next", task_id)
        self._tell("task.updated", task_id)
        self._arm(task_id, now)
        return True

    def _arm(self, task_id: int, now: datetime, *, asked_at: datetime | None = None) -> None:
        task = self.tasks[task_id]
        moment = datetime.combine(task.due, DAY_HOUR) if task.due and not task.completed_at else None
        for bell, state in list(self.bells.items()):
            if bell[0] == task_id and bell[1] != moment and state != "closed":
                del self.bells[bell]
        if moment and moment > (asked_at or now):
            self.bells.setdefault((task_id, moment), "armed")

    def _gone(self, task_id: int) -> None:
        self._tell("task.deleted", task_id)
        del self.tasks[task_id]
        self.bells = {bell: state for bell, state in self.bells.items() if bell[0] != task_id}

    def _changed(self, fact: str, task_id: int) -> None:
        self.tasks[task_id].version += 1
        self._tell(fact, task_id)

    def _tell(self, fact: str, task_id: int) -> None:
        self.facts.append((fact, task_id, self.tasks[task_id].version))
