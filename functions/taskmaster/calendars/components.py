"""Tasks as components of iCalendar (RFC 5545), written by the library icalendar."""

import re
from collections.abc import Iterable
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import NAMESPACE_URL, uuid5
from zoneinfo import ZoneInfo

from icalendar import Calendar, Component, Event, Todo, vCategory, vRecur, vText

from taskmaster.calendars import zones
from taskmaster.domain.calendar_rule import Repetition
from taskmaster.domain.series import Due
from taskmaster.domain.task import Task

LONGEST_DESCRIPTION = 1000  # characters; a feed is fetched again and again
PRIORITIES = {"urgent": 1, "high": 3, "medium": 5, "low": 9}  # RFC 5545, 3.8.1.9: 1 is the highest, 5 is the middle
_ASKED_AGAIN = timedelta(hours=1)
_ZONE_YEARS = 10  # that a VTIMEZONE tells ahead
_NO_TEXT = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f]")  # RFC 5545, 3.1: no control character but the tab
_SPECIAL = re.compile(r"[\\;,]")


def written(found: Iterable[tuple[Task, Repetition | None]], *, this_year: int) -> str:
    """A calendar of open tasks, each with its dates ahead."""
    found = list(found)
    calendar = Calendar()
    calendar.add("prodid", "-//taskmaster functions//calendar//EN")
    calendar.add("version", "2.0")
    for name in ("name", "x-wr-calname"):  # RFC 7986, 5.1; and what programs read that are older
        calendar.add(name, "Tasks")
    calendar.add("refresh-interval", _ASKED_AGAIN, {"VALUE": "DURATION"})
    for key in sorted({task.time_zone for task, _ in found if task.due_at} - {"UTC"}):
        zone = zones.described(key, first_year=this_year - 1, last_year=this_year + _ZONE_YEARS)
        calendar.add_component(zone)
    for task, ahead in found:
        for component in _components(task, ahead):
            calendar.add_component(component)
    text: str = calendar.to_ical().decode()
    return text


def _components(task: Task, ahead: Repetition | None) -> Iterable[Component]:
    """What a task is in a calendar. Dates that do not begin with the task's own are an event beside it."""
    due = task.due
    own = ahead if ahead and ahead.start == due else None
    yield _todo(task, own)
    if due is not None:
        yield _event(task, due, own, kind="due")
    if ahead and own is None:
        yield _event(task, ahead.start, ahead, kind="ahead")


def _todo(task: Task, ahead: Repetition | None) -> Component:
    todo = _described(Todo(), task, "task")
    todo.add("status", "NEEDS-ACTION")
    if task.due is not None:
        if ahead:
            todo.add("dtstart", _value(task.due, task))  # which a rule needs (RFC 5545, 3.6.2)
        todo.add("due", _value(task.due, task))
    _repeat(todo, task, ahead)
    return todo


def _event(task: Task, start: Due, ahead: Repetition | None, *, kind: str) -> Component:
    event = _described(Event(), task, kind)
    event.add("dtstart", _value(start, task))
    event.add("transp", "TRANSPARENT")  # nobody is busy by it
    _repeat(event, task, ahead)
    return event


def _described(component: Component, task: Task, kind: str) -> Component:
    component.add("uid", str(uuid5(NAMESPACE_URL, f"taskmaster:{task.task_id}:{task.created_at.isoformat()}:{kind}")))
    component.add("dtstamp", task.updated_at)  # without METHOD it is when it last changed (RFC 5545, 3.8.7.2)
    component.add("created", task.created_at)
    component.add("last-modified", task.updated_at)
    component.add("sequence", task.version - 1)
    component.add("summary", _text(task.title))
    if task.description:
        component.add("description", _text(task.description, LONGEST_DESCRIPTION))
    component.add("priority", PRIORITIES[task.priority])
    if task.tags:
        categories = vCategory([])
        categories.cats = [_text(tag) for tag in task.tags]
        component.add("categories", categories)
    return component


def _repeat(component: Component, task: Task, ahead: Repetition | None) -> None:
    if ahead and ahead.rule:
        component.add("rrule", vRecur.from_ical(ahead.rule))
    if ahead and ahead.dates:
        parameters = {} if isinstance(ahead.start, datetime) else {"VALUE": "DATE"}
        component.add("rdate", [_value(each, task) for each in ahead.dates], parameters)


def _value(due: Due, task: Task) -> Any:
    """A day as it is; a moment to the second, on the clock of the task's zone, in UTC where that is its zone."""
    if not isinstance(due, datetime):
        return due
    zone = UTC if task.time_zone == "UTC" else ZoneInfo(task.time_zone)
    return due.replace(microsecond=0).astimezone(zone)


def _text(text: str, longest: int | None = None) -> str:
    shown = _NO_TEXT.sub(" ", text.replace("\r\n", "\n").replace("\r", "\n"))
    return _Text(shown if longest is None or len(shown) <= longest else f"{shown[: longest - 1]}…")


class _Text(vText):
    """Text as RFC 5545, 3.3.11 has it. The library's own class takes the two characters ``\\N`` for a line break."""

    def to_ical(self) -> bytes:
        return _SPECIAL.sub(r"\\\g<0>", self).replace("\n", r"\n").encode()
