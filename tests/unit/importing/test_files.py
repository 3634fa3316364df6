"""Files of other programs: what is made of each task in them, and what is told that could not be kept."""

import contextlib
import io
import json
import zipfile
from datetime import date
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from taskmaster.importing import files
from taskmaster.importing.found import Found, NotReadable

FIXTURES = Path(__file__).parents[2] / "support" / "fixtures" / "imports"
READING = files.Reading(zone="Europe/Zurich", today=date(2026, 11, 30))  # a Monday


def zipped(content: bytes, name: str = "data.json") -> bytes:
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr(name, content)
    return packed.getvalue()


def read(content: bytes) -> list[Found]:
    return list(files.read(content, READING)[1])


def sample(kind: str) -> bytes:
    if kind == "vikunja":
        return zipped((FIXTURES / "vikunja.json").read_bytes())
    return (FIXTURES / {"todoist": "todoist.csv", "icalendar": "tasks.ics"}[kind]).read_bytes()


def dated(cell: str) -> dict[str, Any]:
    """The fields of a task that Todoist has this DATE for."""
    rows = "TYPE,CONTENT,DATE,TIMEZONE\n" + f'task,x,"{cell}",Europe/Zurich\n'
    [found] = read(rows.encode())
    return {name: value for name, value in found.fields.items() if name not in ("title", "time_zone")} or {
        "not kept": list(found.not_kept)
    }


def test_the_kind_of_a_file_is_told_from_its_content() -> None:
    kinds = {kind: files.read(sample(kind), READING)[0] for kind in ("todoist", "icalendar", "vikunja")}
    assert kinds == {"todoist": "Todoist", "icalendar": "iCalendar", "vikunja": "Vikunja"}


def test_todoist() -> None:
    rent, plumber, water, ferns, lawn, rake, again = read(sample("todoist"))
    assert rent.fields == {
        "title": "Pay the rent",
        "description": "By standing order",
        "priority": "urgent",
        "tags": ["home", "money"],
        "due_on": "2027-01-31",
        "time_zone": "Europe/Zurich",
    }
    assert rent.not_kept == ()
    assert plumber.fields["due_at"] == "2027-02-03T08:00:00Z"
    assert plumber.fields["description"] == 'The tap drips; "again"\n\nHe is away on Mondays'
    assert plumber.not_kept == ("who is responsible (Ben (2))", "its duration (30)")
    assert (water.fields["recurrence_pattern"], water.fields["recurrence_from"]) == ("every 3 days", "completion")
    assert water.fields["tags"] == ["Garden"]
    assert ferns.not_kept == ("that it is part of “Water the plants”",)
    assert lawn.fields["recurrence_pattern"] == "FREQ=WEEKLY;INTERVAL=2;BYDAY=SA"
    assert lawn.fields["due_at"] == "2026-12-05T09:00:00Z"
    assert rake.fields == again.fields
    assert rake.key != again.key  # two rows are two tasks
    assert rake.not_kept == ("its deadline (2027-03-01)",)


@pytest.mark.parametrize(
    ("cell", "fields"),
    [
        ("", {"not kept": []}),
        ("today", {"due_on": "2026-11-30"}),
        ("Tomorrow", {"due_on": "2026-12-01"}),
        ("monday", {"due_on": "2026-12-07"}),
        ("31 Jan", {"due_on": "2027-01-31"}),
        ("Dec 1", {"due_on": "2026-12-01"}),
        ("Jan 31 2028 18:30", {"due_at": "2028-01-31T17:30:00Z"}),
        ("2027-07-01 12am", {"due_at": "2027-06-30T22:00:00Z"}),
        ("every day", {"due_on": "2026-11-30", "recurrence_pattern": "daily"}),
        ("every weekday at 8:00", {"due_at": "2026-11-30T07:00:00Z", "recurrence_pattern": "weekdays"}),
        ("every month", {"due_on": "2026-11-30", "recurrence_pattern": "monthly"}),
        ("every 15th", {"due_on": "2026-12-15", "recurrence_pattern": "FREQ=MONTHLY;BYMONTHDAY=15"}),
        ("every last day", {"due_on": "2026-11-30", "recurrence_pattern": "FREQ=MONTHLY;BYMONTHDAY=-1"}),
        ("every 2 weeks starting 4 Jan", {"due_on": "2027-01-04", "recurrence_pattern": "every 2 weeks"}),
        ("31 Feb", {"not kept": ["its date (31 Feb)"]}),
        ("every 40 hours", {"not kept": ["its date (every 40 hours)"]}),
        ("jeden Montag", {"not kept": ["its date (jeden Montag)"]}),
    ],
)
def test_dates_that_todoist_writes(cell: str, fields: dict[str, Any]) -> None:
    assert dated(cell) == fields


def test_icalendar() -> None:
    rent, passport, often, concert = read(sample("icalendar"))
    assert rent.fields == {
        "title": "Pay the rent, always",
        "description": "By standing order\nOn time\n\nWhere: The bank",
        "priority": "urgent",
        "tags": ["home", "money"],
        "due_at": "2027-01-31T08:00:00Z",
        "time_zone": "Europe/Zurich",
        "recurrence_pattern": "FREQ=MONTHLY;BYMONTHDAY=-1",
        "reminders": ["PT1800S"],
    }
    assert passport.completed
    assert passport.not_kept == ("its recurrence (FREQ=YEARLY): it is done",)
    assert often.not_kept[0] == "RELATED-TO"
    assert "FREQ=HOURLY is more often than daily" in often.not_kept[1]
    assert concert.left_out == "it is an event, and no to-do"


def test_vikunja() -> None:
    rent, passport, water, seedlings = read(sample("vikunja"))
    assert rent.fields == {
        "title": "Pay the rent",
        "description": "By standing order\n- on time\n\nSeen & noted",
        "priority": "urgent",
        "tags": ["money", "Inbox"],
        "due_at": "2027-01-31T08:00:00Z",
        "time_zone": "Europe/Zurich",
        "recurrence_pattern": "monthly",
        "reminders": ["PT1800S", "2027-01-30T08:00:00Z"],
    }
    assert rent.not_kept == ("who is assigned",)
    assert passport.completed
    assert (water.fields["recurrence_pattern"], water.fields["recurrence_from"]) == ("every 3 days", "completion")
    assert seedlings.not_kept == ("its recurrence: every 3600 seconds is no number of days",)


def test_what_is_too_long_is_cut_and_told() -> None:
    rows = "TYPE,CONTENT,DESCRIPTION\n" + f"task,{'t' * 600} @{'l' * 60},{'d' * 20_000}\n"
    [found] = read(rows.encode())
    assert len(found.title) == 500
    assert len(found.fields["description"]) == 10_000
    assert len(found.fields["tags"][0]) == 50
    assert len(found.not_kept) == 3


@pytest.mark.parametrize("kind", ["todoist", "icalendar", "vikunja"])
def test_the_same_file_has_the_same_keys(kind: str) -> None:
    keys = [found.key for found in read(sample(kind)) if not found.left_out]
    assert keys == [found.key for found in read(sample(kind)) if not found.left_out]
    assert len(set(keys)) == len(keys)
    assert all(len(key) < 256 and key.isascii() for key in keys)


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"hello",
        b"TYPE,TITLE\ntask,x\n",
        b"TYPE,CONTENT\ntask,\xff\n",
        b"BEGIN:VCALENDAR\nEND:VTODO\nEND:VCALENDAR\n",
        zipped(b"[]", "other.json"),
        zipped(b"[" * 100_000),
        zipped(b'{"a": '),
    ],
)
def test_what_is_no_such_file_is_told_in_a_sentence(content: bytes) -> None:
    with pytest.raises(NotReadable):
        read(content)


def test_a_zip_that_unpacks_to_too_much_is_not_read_to_its_end(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(files, "LARGEST", 1_000_000)
    with pytest.raises(NotReadable, match="more than 1 MB"):
        read(zipped(b" " * 2_000_000))


@given(st.data(), st.sampled_from(["todoist", "icalendar"]))
def test_a_damaged_file_is_read_or_told(data: st.DataObject, kind: str) -> None:
    content = bytearray(sample(kind))
    for _ in range(data.draw(st.integers(1, 5))):
        place = data.draw(st.integers(12, len(content) - 1))
        content[place : place + data.draw(st.integers(0, 9))] = data.draw(st.binary(max_size=9))
    with contextlib.suppress(NotReadable):
        read(bytes(content))


anything = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=9),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=6,
)
FIELDS = ["id", "title", "description", "due_date", "reminders", "repeat_after", "repeat_mode", "priority", "labels",
          "comments", "created", "done", "assignees", "start_date"]  # fmt: skip


@given(st.dictionaries(st.sampled_from(FIELDS), anything))
def test_any_value_in_vikunjas_export_is_read(task: dict[str, Any]) -> None:
    [found] = read(zipped(json.dumps([{"title": "p", "tasks": [task]}]).encode()))
    assert found.title
