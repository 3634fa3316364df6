"""Todoist's CSV: what a project is exported as ("Export as CSV"), a row for each task, section and comment."""

import csv
import re
from collections import Counter
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, date, datetime, time, timedelta
from io import StringIO
from typing import Any
from zoneinfo import ZoneInfo

from taskmaster.domain import recurrence
from taskmaster.importing.files import Reading
from taskmaster.importing.found import Found, NotReadable, found, key_of

_PRIORITIES = {"1": "urgent", "2": "high", "3": "medium", "4": "low"}
_LABEL = re.compile(r"(?:^|(?<=\s))@(\S+)")
_MONTHS = ("jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec")
_WEEKDAYS = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")
_NOT_KEPT = {"RESPONSIBLE": "who is responsible", "DURATION": "its duration", "DEADLINE": "its deadline"}
_NAMES = {"weekday": "weekdays", "workday": "weekdays", "day": "daily", "week": "weekly", "month": "monthly"}


def tasks(content: bytes, reading: Reading) -> Iterator[Found]:
    """Its tasks. A section becomes a tag, a comment a line of the description of its task. Raises NotReadable."""
    try:
        rows = list(csv.DictReader(StringIO(content.decode("utf-8-sig"), newline="")))
    except (UnicodeDecodeError, csv.Error) as error:
        raise NotReadable(f"it is no CSV in UTF-8: {error}") from None
    if rows and "CONTENT" not in rows[0]:
        raise NotReadable("it has no column CONTENT")
    section = ""
    parents: list[str] = []
    alike: Counter[tuple[str, ...]] = Counter()
    waiting: dict[str, Any] | None = None
    for row in rows:
        cells = {name: (cell or "").strip() for name, cell in row.items() if name and isinstance(cell, str | None)}
        match cells.get("TYPE"):
            case "section":
                section = cells["CONTENT"]
            case "note" if waiting:
                waiting["description"] += f"\n\n{cells['CONTENT']}"
            case "task":
                if waiting:
                    yield found(**waiting)
                depth = int(cells["INDENT"]) - 1 if cells.get("INDENT", "") in ("1", "2", "3", "4", "5") else 0
                parents = parents[: max(depth, 0)]
                waiting = _task(cells, section, parents, reading)
                parents.append(waiting["title"])
                same = (section, *cells.values())
                waiting["key"] = key_of("todoist", *same, alike[same])
                alike[same] += 1
    if waiting:
        yield found(**waiting)


def _task(cells: dict[str, str], section: str, parents: list[str], reading: Reading) -> dict[str, Any]:
    lost = [f"{name} ({cells[column]})" for column, name in _NOT_KEPT.items() if cells.get(column)]
    if parents:
        lost.append(f"that it is part of “{parents[-1]}”")
    labels = _LABEL.findall(cells["CONTENT"])
    zone = _zone(cells.get("TIMEZONE", ""), reading.zone)
    return {
        "title": re.sub(r"\s+", " ", _LABEL.sub("", cells["CONTENT"])).strip().removeprefix("* "),
        "description": cells.get("DESCRIPTION", ""),
        "priority": _PRIORITIES.get(cells.get("PRIORITY", "")),
        "tags": [*labels, *([section] if section else [])],
        "zone": zone,
        **_when(cells.get("DATE", ""), zone, reading.today, lost),
        "not_kept": lost,
    }


def _zone(name: str, default: str) -> str:
    try:
        return ZoneInfo(name).key if name else default
    except (KeyError, ValueError, OSError):
        return default


def _when(text: str, zone: str, today: date, lost: list[str]) -> dict[str, Any]:
    """The date, and the recurrence, that English words say. Where they say neither, they are told in `lost`."""
    words = " ".join(text.lower().split())
    if not words:
        return {}
    at: time | None = None
    rest = words
    if clock := re.search(r"(?:^|(?<= ))(?:at )?(\d{1,2})(?::(\d{2}))?(?::\d{2})? ?(am|pm)?$", words):
        hour, minute, half = int(clock[1]), int(clock[2] or 0), clock[3]
        is_clock = clock[2] or half or clock[0].startswith("at ")
        hour = hour % 12 + 12 * (half == "pm") if half else hour
        if is_clock and hour < 24 and minute < 60:
            at, rest = time(hour, minute), words[: clock.start()].strip()
    if every := re.fullmatch(r"(?:every|ev)(!?) (.+?)(?: starting (?:on )?(.+))?", rest):
        pattern = _pattern(every[2])
        start = _day(every[3], today) if every[3] else _first(pattern, today, zone)
        if pattern and start:
            return {"due": _moment(start, at, zone), "pattern": pattern, "from_completion": bool(every[1])}
    elif day := _day(rest, today) if rest else today:
        return {"due": _moment(day, at, zone)}
    lost.append(f"its date ({text})")
    return {}


def _moment(day: date, at: time | None, zone: str) -> date | datetime:
    return day if at is None else datetime.combine(day, at, ZoneInfo(zone)).astimezone(UTC)


def _day(text: str, today: date) -> date | None:
    """A day as 2027-01-31, 31 Jan 2027, Jan 31, today, tomorrow, or as a weekday."""
    if text in ("today", "tod", "tomorrow", "tom"):
        return today + timedelta(days=text.startswith("tom"))
    if text[:3] in _WEEKDAYS and text.isalpha():
        return today + timedelta(days=(_WEEKDAYS.index(text[:3]) - today.weekday() - 1) % 7 + 1)
    try:
        return date.fromisoformat(text)
    except ValueError:
        pass
    named = re.fullmatch(r"(?:(\d{1,2}) ([a-z]{3})[a-z]*|([a-z]{3})[a-z]* (\d{1,2})),?(?: (\d{4}))?", text)
    if not named or (named[2] or named[3]) not in _MONTHS:
        return None
    month, number = _MONTHS.index(named[2] or named[3]) + 1, int(named[1] or named[4])
    try:
        found = date(int(named[5]) if named[5] else today.year, month, number)
        return found if named[5] or found >= today else found.replace(year=today.year + 1)
    except ValueError:
        return None


def _pattern(words: str) -> str | None:
    """What is said behind "every" as a pattern of the pack."""
    if words in _NAMES or words == "year":
        return _NAMES.get(words, "yearly")
    days = re.split(r", ?| and ", words.removeprefix("other "))
    if all(day[:3] in _WEEKDAYS and day.isalpha() for day in days):
        every = "FREQ=WEEKLY;INTERVAL=2" if words.startswith("other ") else "FREQ=WEEKLY"
        return f"{every};BYDAY=" + ",".join(day[:2].upper() for day in days)
    if of_month := re.fullmatch(r"(\d{1,2})(?:st|nd|rd|th)?|(last day)", words):
        return f"FREQ=MONTHLY;BYMONTHDAY={of_month[1] or -1}"
    try:
        return recurrence.parse(f"every {words}").text
    except recurrence.RuleError:
        return None


def _first(pattern: str | None, today: date, zone: str) -> date | None:
    """The first date of a pattern from today on, where nothing says when it starts."""
    if pattern is None:
        return None
    try:
        rule = replace(recurrence.parse(pattern), interval=1)  # a first one has none before it
    except recurrence.RuleError:
        return None
    if not rule.by_day and not rule.by_month_day:
        return today
    upcoming = recurrence.occurrences(rule, today - timedelta(days=1), ZoneInfo(zone), first=2)
    due = next((each.due for each in upcoming), None)
    return due if isinstance(due, date) else None
