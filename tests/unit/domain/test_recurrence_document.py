"""docs/recurrence.md says what happens: every row of its tables is read out of it and tried."""

from datetime import date, datetime
from itertools import islice
from zoneinfo import ZoneInfo

import pytest

from taskmaster.domain import recurrence
from tests.support.documents import rows

ZURICH = ZoneInfo("Europe/Zurich")


def written(due: datetime | date, like: str) -> str:
    """A due date the way the document writes it: a day, a wall time, or one with its offset."""
    if not isinstance(due, datetime):
        return due.isoformat()
    text = due.astimezone(ZURICH).isoformat(" ", "minutes")
    return f"{text[:16]} {text[16:]}" if like.count(" ") == 2 else text[:16]


@pytest.mark.parametrize(("pattern", "first", "then"), rows("recurrence.md", "pattern", "first due", "then"))
def test_the_occurrences_are_as_written(pattern: str, first: str, then: str) -> None:
    ends = then.endswith("(end)")
    expected = [first, *then.removesuffix(" (end)").split(", ")]
    start = datetime.fromisoformat(first[:16]) if " " in first else date.fromisoformat(first)
    found = recurrence.occurrences(recurrence.parse(pattern), start, ZURICH)
    due = [written(occurrence.due, first) for occurrence in islice(found, len(expected) + 1)]
    assert due[: len(expected)] == expected
    assert (len(due) == len(expected)) == ends


@pytest.mark.parametrize(("pattern", "part", "because"), rows("recurrence.md", "pattern", "part", "because"))
def test_the_refusals_are_as_written(pattern: str, part: str, because: str) -> None:
    with pytest.raises(recurrence.RuleError) as refusal:
        recurrence.parse(pattern)
    assert refusal.value.part == part


def test_the_tables_were_found() -> None:
    assert len(rows("recurrence.md", "pattern", "first due", "then")) > 25
    assert len(rows("recurrence.md", "pattern", "part", "because")) > 5
