"""Recurrence rules against tables: the examples of RFC 5545 and RFC 7529, month ends, weeks and clock changes."""

import tomllib
from collections.abc import Iterator
from datetime import date, datetime
from itertools import islice
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import pytest

from taskmaster.domain import recurrence

DATA = Path(__file__).parent / "data"
NEW_YORK = ZoneInfo("America/New_York")


def table(name: str, key: str) -> list[dict[str, Any]]:
    rows: list[dict[str, Any]] = tomllib.loads((DATA / name).read_text(encoding="utf-8"))[key]
    return rows


def by_rule(rows: list[dict[str, Any]]) -> list[Any]:
    """A test for every spelling of every row."""
    return [pytest.param(row, rule, id=f"{row['title']}: {rule}") for row in rows for rule in row["rules"]]


def days(lines: list[str]) -> Iterator[date]:
    """The dates of lines such as "1997-09 2,4-6"."""
    for line in lines:
        month, numbers = line.split()
        for span in numbers.split(","):
            first, _, last = span.partition("-")
            for day in range(int(first), int(last or first) + 1):
                yield date.fromisoformat(f"{month}-{day:02}")


@pytest.mark.parametrize(("example", "rule"), by_rule(table("rfc5545_examples.toml", "example")))
def test_rfc_5545_example(example: dict[str, Any], rule: str) -> None:
    expected = list(days(example["due"]))
    start = datetime.fromisoformat(example["start"] + "T09:00")
    # One more than expected: where the RFC's list ends, the series must end too.
    found = list(islice(recurrence.occurrences(recurrence.parse(rule), start, NEW_YORK), len(expected) + 1))
    dues = [occurrence.due for occurrence in found]
    local = [due.astimezone(NEW_YORK) for due in dues if isinstance(due, datetime)]
    assert len(local) == len(found)
    assert [moment.date() for moment in local[: len(expected)]] == expected
    assert {moment.strftime("%H:%M") for moment in local} == {"09:00"}
    assert [occurrence.position for occurrence in found] == list(range(1, len(found) + 1))
    assert (len(found) > len(expected)) == example.get("goes_on", False)


@pytest.mark.parametrize(("example", "rule"), by_rule(table("rfc5545_examples.toml", "refused")))
def test_rfc_5545_example_more_often_than_daily(example: dict[str, Any], rule: str) -> None:
    with pytest.raises(recurrence.RuleError) as refusal:
        recurrence.parse(rule)
    assert refusal.value.part == example["part"]


@pytest.mark.parametrize(("series", "rule"), by_rule(table("month_ends.toml", "series")))
def test_days(series: dict[str, Any], rule: str) -> None:
    expected = list(days(series["due"]))
    parsed = recurrence.parse(rule)
    found = islice(recurrence.occurrences(parsed, expected[0], NEW_YORK), len(expected) + 1)
    due = [occurrence.due for occurrence in found]
    assert due[: len(expected)] == expected
    if series.get("ends"):
        assert len(due) == len(expected)


@pytest.mark.parametrize("series", table("clock_changes.toml", "series"), ids=lambda series: series["title"])
def test_clock_change(series: dict[str, Any]) -> None:
    zone = ZoneInfo(series["zone"])
    kind = datetime if "T" in series["start"] else date
    start, expected = kind.fromisoformat(series["start"]), [kind.fromisoformat(due) for due in series["due"]]
    rule = recurrence.parse(series["rule"])
    found = list(islice(recurrence.occurrences(rule, start, zone), len(expected) + 1))
    assert [occurrence.due for occurrence in found[: len(expected)]] == expected
    assert [occurrence.position for occurrence in found] == list(range(1, len(found) + 1))
    for moment in expected:
        # The table's offsets are the zone's own: a typing error in it would pass unseen.
        assert not isinstance(moment, datetime) or moment.astimezone(zone).utcoffset() == moment.utcoffset()
    if series.get("ends"):
        assert len(found) == len(expected)
