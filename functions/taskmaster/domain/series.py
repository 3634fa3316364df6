"""A series: what a recurring task repeats, its present position, and the effect of an edit. Pure.

The dates of a rule are in `recurrence`, imported when there is a rule; here is what completing, reopening and editing
do to the series.
"""

from collections.abc import Iterator
from dataclasses import replace
from datetime import date, datetime, time
from itertools import takewhile
from typing import TYPE_CHECKING, Any, Literal, Self
from zoneinfo import ZoneInfo

from pydantic import Field

from taskmaster.domain import reminders
from taskmaster.domain.recurring_task import local_day, local_start
from taskmaster.domain.task import FrozenModel, RecurrenceFrom, Task, is_kept, moment_of

if TYPE_CHECKING:
    from taskmaster.domain import recurrence

_TEMPLATE = frozenset({"title", "description", "priority", "tags", "reminders"})
DATE = frozenset({"due_at", "due_on", "time_zone"})

Scope = Literal["this", "following"]
Due = datetime | date  # a moment, aware and in UTC; or a day. Of a start, a naive wall time; or a day


class Series(FrozenModel):
    """The state of a recurring task; events only trigger. `head` is its open, or last completed, occurrence.

    Positions number the dates of the rule, skipped ones included, as COUNT does. `anchor` is the
    position of the start, which is later than 1 after the dates of all following occurrences were moved.
    """

    series_id: int
    recurrence_pattern: str
    recurrence_from: RecurrenceFrom
    time_zone: str
    starts_at: datetime | None  # naive: wall time in time_zone
    starts_on: date | None
    anchor: int
    template: dict[str, Any]
    head: int
    position: int
    previous_position: int  # of the occurrence before the head: where a withdrawn head leaves the series
    paused_at: datetime | None = None
    ended_at: datetime | None = None
    traceparent: str | None = None  # the trace in which it began

    @classmethod
    def started_by(cls, task: Task) -> Self:
        """The series in which this task is the open occurrence and the first date of its pattern."""
        assert task.series_id is not None
        assert task.occurrence is not None
        assert task.recurrence_pattern is not None
        return cls(
            series_id=task.series_id,
            recurrence_pattern=task.recurrence_pattern,
            recurrence_from=task.recurrence_from,
            **local_start(task),
            anchor=1,
            template=_template(task),
            head=task.occurrence,
            position=1,
            previous_position=1,
            paused_at=task.updated_at if task.recurrence_paused else None,
        )

    @property
    def start(self) -> Due:
        """Local: a naive wall time in `time_zone`, or a day."""
        start = self.starts_at or self.starts_on
        assert start is not None  # a check of the table
        return start

    def continues_after(self, task: Task) -> bool:
        """Whether the completion of this occurrence is answered by another one."""
        return self.ended_at is None and self.paused_at is None and self.head == task.occurrence

    def next(self, due: Due | None, *, done_at: datetime) -> "recurrence.Next | None":
        """The date that follows a head of this due date, done with at a moment, or None where the series has ended.

        It ends with its rule, or where an occurrence could not be kept: its date or a reminder is behind the year 9000.

        From the due date: the first date of the rule later than that moment and than the head's own date. From the
        completion: the rule begun anew on the local day of that moment, at the wall time of the start; a later day.
        """
        from taskmaster.domain import recurrence

        zone = ZoneInfo(self.time_zone)
        rule = recurrence.parse(self.recurrence_pattern)
        start, anchor, later_than = self.start, self.anchor, self._later_than(due, done_at)
        if self.recurrence_from == "completion":
            day = done_at.astimezone(zone).date()
            start, anchor, later_than = _on_day(day, self.start), self.position, self._of_our_kind(day)
        found = recurrence.next_occurrence(
            _counting_from(anchor, rule), start, zone, position=self.position - anchor + 1, after=later_than
        )
        if found is None or not self._can_keep(found.due):
            return None
        return found._replace(position=found.position + anchor - 1)

    def upcoming(self, due: Due | None, *, now: datetime) -> Iterator[Due]:
        """The dates behind a head of this due date, as they come if each is done on its date, or now if that is later.

        Without a due date, the head's is the one that the rule gives it.
        """
        due = due or self.own_date()
        done_at = max(now, self.done_on(due)) if due else now
        if self.recurrence_from == "completion":
            series = self
            while following := series.next(due, done_at=done_at):
                yield following.due
                series, due, done_at = series.moved(to=following), following.due, self.done_on(following.due)
        else:
            dates = self._dates(first=self.position + 1, after=self._later_than(due, done_at))
            yield from takewhile(self._can_keep, (found.due for found in dates))

    def done_on(self, due: Due) -> datetime:
        """A moment on the date of an occurrence: completed then, it is completed on its date."""
        if isinstance(due, datetime):
            return due
        return moment_of(due, time(12), ZoneInfo(self.time_zone))

    def occurrence(self, following: "recurrence.Next", *, task_id: int, at: datetime) -> Task:
        """The task that is the next occurrence. `at` is business time."""
        return Task(
            **{**self.template, **self.date(following)},
            task_id=task_id,
            recurrence_pattern=self.recurrence_pattern,
            recurrence_from=self.recurrence_from,
            series_id=self.series_id,
            occurrence=self.head + 1,
            created_at=at,
            updated_at=at,
        )

    def date(self, following: "recurrence.Next") -> dict[str, Any]:
        """A date of the rule as fields of a task, its reminders moved along."""
        moment = following.due if isinstance(following.due, datetime) else None
        return {
            "due_at": moment,
            "due_on": None if moment else following.due,
            "time_zone": self.time_zone,
            "reminders": reminders.moved_to(
                self.template.get("reminders"), due=following.due, time_zone=self.time_zone
            ),
        }

    def moved(self, *, to: "recurrence.Next") -> Self:
        """The head is another date of the rule: those before it were skipped."""
        return self._with(position=to.position)

    def advanced(self, *, to: "recurrence.Next") -> Self:
        return self._with(head=self.head + 1, position=to.position, previous_position=self.position)

    def ended(self, *, at: datetime) -> Self:
        return self._with(ended_at=at)

    def is_exhausted_by(self, task: Task) -> bool:
        """Whether it was the completion of this occurrence that left no date to follow."""
        return self.ended_at is not None and self.head == task.occurrence and task.recurrence_pattern is not None

    def resumed(self) -> Self:
        return self._with(ended_at=None)

    def withdrawn(self) -> Self:
        """Back to the occurrence before the head, as if the head had never been made."""
        return self._with(head=self.head - 1, position=self.previous_position, ended_at=None)

    def edited(self, task: Task, *, was: Task, scope: Scope | None) -> Self:
        """The series after an edit of its head.

        A pattern counts anew from here. Without a scope, new contents hold from here on and a new date for this one
        alone, which keeps the anchor; "this" and "following" decide for both. Earlier
        changes of one occurrence alone stay with it.
        """
        changed = {name for name in type(task).model_fields if getattr(task, name) != getattr(was, name)}
        paused_at = (self.paused_at or task.updated_at) if task.recurrence_paused else None
        if "recurrence_pattern" in changed and task.recurrence_pattern is None:
            return self.ended(at=task.updated_at)
        edited, contents = self, changed & _TEMPLATE if scope != "this" else set()
        if "recurrence_pattern" in changed:
            edited, contents = self.started_by(task), contents | {"reminders"}
        elif "recurrence_from" in changed:
            edited = edited._counted_from(task, was=was)
        if changed & DATE and scope == "following" and "recurrence_pattern" not in changed:
            edited, contents = edited._dated(task, was=was), contents | {"reminders"}
        template = self.template | {name: value for name, value in _template(task).items() if name in contents}
        return edited._with(paused_at=paused_at, template=template)

    def _counted_from(self, task: Task, *, was: Task) -> Self:
        """The series counted from the due date or from the completion, as the task says.

        Where completions have led away from the dates of the rule, the head's is where it goes on from.
        """
        edited = self._with(recurrence_from=task.recurrence_from)
        if task.recurrence_from == "due" and was.due != self.own_date():
            return edited._with(**local_start(task), anchor=self.position)
        return edited

    def _dated(self, task: Task, *, was: Task) -> Self:
        """The series with the task's date for all that follow; where the day is the same, only the time changes.

        So monthly from the 31st, moved to 10:00 on 28 February, is due on 31 March at 10:00.
        """
        start = local_start(task)
        if local_day(task) != local_day(was):
            return self._with(**start, anchor=self.position)
        day = self.start.date() if isinstance(self.start, datetime) else self.start
        kept = _on_day(day, start["starts_at"] or start["starts_on"])
        return self._with(**{**start, "starts_at" if isinstance(kept, datetime) else "starts_on": kept})

    def _dates(self, *, first: int, after: Due | None = None) -> "Iterator[recurrence.RecurrenceInstance]":
        """The dates of the rule from a position on. Their own positions count from the anchor."""
        from taskmaster.domain import recurrence

        rule = _counting_from(self.anchor, recurrence.parse(self.recurrence_pattern))
        first -= self.anchor - 1
        return recurrence.occurrences(rule, self.start, ZoneInfo(self.time_zone), first=first, after=after)

    def own_date(self) -> Due | None:
        """The date that the rule gives the head, wherever the head was moved to."""
        return next((found.due for found in self._dates(first=self.position)), None)

    def _can_keep(self, due: Due) -> bool:
        """Whether an occurrence of this date, with its reminders, lies within the years that are stored."""
        try:
            reminders.moved_to(self.template.get("reminders"), due=due, time_zone=self.time_zone)
        except OverflowError:
            return False
        return is_kept(due)

    def _later_than(self, due: Due | None, done_at: datetime) -> Due:
        """What the next date is later than: the moment of the completion, and the due date."""
        done = done_at if self.starts_at else done_at.astimezone(ZoneInfo(self.time_zone)).date()
        return done if due is None else max(done, self._of_our_kind(due))

    def _of_our_kind(self, due: Due) -> Due:
        """A date as the series has them: of a moment its day, of a day its last moment, where they are of the other."""
        zone = ZoneInfo(self.time_zone)
        if isinstance(due, datetime):
            return due if self.starts_at else due.astimezone(zone).date()
        return moment_of(due, time.max, zone) if self.starts_at else due

    def _with(self, **changes: Any) -> Self:
        return self.model_copy(update=changes)


class Followed(Task):
    """Data of task.recurring.next: the new occurrence, the task it follows, and how many dates were jumped over."""

    follows: int = Field(description="the task_id of the occurrence before it")
    skipped: int = Field(description="how many dates of the rule were jumped over")

    @classmethod
    def of(cls, successor: Task, task: Task, skipped: int) -> Self:
        return cls(**successor.model_dump(), follows=task.task_id, skipped=skipped)


def _counting_from(anchor: int, rule: "recurrence.RecurrenceRule") -> "recurrence.RecurrenceRule":
    """The rule as it goes on at an anchor: COUNT less what came before."""
    return rule if rule.count is None else replace(rule, count=rule.count - anchor + 1)


def _on_day(day: date, start: Due) -> Due:
    """The start on another day, at the same wall time."""
    return datetime.combine(day, start.time()) if isinstance(start, datetime) else day


def _template(task: Task) -> dict[str, Any]:
    """The fields that every further occurrence gets."""
    return {**task.model_dump(include=set(_TEMPLATE)), "reminders": reminders.kept_for_a_series(task)}
