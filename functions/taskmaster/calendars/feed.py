"""Open tasks as a calendar (RFC 5545): a VTODO for each, and a VEVENT where it is due, which more programs show."""

import hashlib
import json
from collections.abc import Mapping, Sequence
from datetime import datetime
from functools import cached_property

from taskmaster.domain.calendar_rule import repetition
from taskmaster.domain.series import Series
from taskmaster.domain.task import Task
from taskmaster.handling.answers import Document

MOST_TASKS = 500
_FORM = 1  # raised with a change of this room that programs should fetch the feed anew for


class CalendarFeed(Document):
    """The feed of these open tasks; `series` are theirs, by id.

    It is written when its text is asked for, and the library is imported then: a program that has the feed already is
    told so before.
    """

    media = "text/calendar; charset=utf-8"

    def __init__(self, tasks: Sequence[Task], series: Mapping[int, Series], *, now: datetime) -> None:
        self._now = now
        self._found = [(task, repetition(series.get(task.series_id or 0), task, now=now)) for task in tasks]

    @cached_property
    def tag(self) -> str:
        """A digest of all that the text is made from."""
        versions = [(task.task_id, task.version, str(ahead)) for task, ahead in self._found]
        return hashlib.sha256(json.dumps([_FORM, self._now.year, versions]).encode()).hexdigest()[:32]

    @cached_property
    def text(self) -> str:
        from taskmaster.calendars.components import written

        return written(self._found, this_year=self._now.year)
