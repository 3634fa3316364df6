"""iCalendar files (RFC 5545): the to-dos in them, as most task programs export them."""

from collections.abc import Iterator
from datetime import UTC, date, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

from icalendar import Calendar

from taskmaster import rfc3339
from taskmaster.importing.files import Reading
from taskmaster.importing.found import Found, NotReadable, before, found, key_of

_NOT_KEPT = (
    "ATTACH", "ATTENDEE", "COMMENT", "CONTACT", "DURATION", "EXDATE", "GEO", "RDATE", "RELATED-TO", "RESOURCES",
)  # fmt: skip
_ADDED = {"LOCATION": "Where", "URL": "See"}  # a line of the description


def tasks(content: bytes, reading: Reading) -> Iterator[Found]:
    """Its to-dos. An event is no task, and left out. Raises NotReadable."""
    try:
        calendars = Calendar.from_ical(content, multiple=True)
    except (ValueError, KeyError, IndexError, TypeError) as error:
        raise NotReadable(f"it is no iCalendar file: {error}") from None
    for calendar in calendars:
        for todo in calendar.walk("VTODO"):
            yield _task(todo, reading)
        for event in calendar.walk("VEVENT"):
            title = _text(event, "SUMMARY") or "(no title)"
            yield Found(key="", fields={"title": title}, left_out="it is an event, and no to-do")


def _task(todo: Any, reading: Reading) -> Found:
    lost = [name for name in _NOT_KEPT if name in todo]
    lost += [f"{name}, which cannot be read" for name, _ in todo.errors]
    status = _text(todo, "STATUS").upper()
    if status in ("CANCELLED", "IN-PROCESS"):
        lost.append(f"STATUS {status}")
    due, zone = _due(todo, reading.zone)
    if "DUE" in todo and "DTSTART" in todo and _value(todo, "DUE") != _value(todo, "DTSTART"):
        lost.append("DTSTART")
    pattern = None
    if "RRULE" in todo:
        rules = todo["RRULE"] if isinstance(todo["RRULE"], list) else [todo["RRULE"]]
        pattern = rules[0].to_ical().decode(errors="replace")
        lost += ["RRULE, all but the first"] if len(rules) > 1 else []
    if "RECURRENCE-ID" in todo:
        lost.append("that it is one date of a series")
    added = (f"{says}: {_text(todo, name)}" for name, says in _ADDED.items() if name in todo)
    identity = _text(todo, "UID"), str(_value(todo, "RECURRENCE-ID") or "")
    return found(
        key_of("icalendar", *identity) if identity[0] else key_of("icalendar-content", todo.to_ical().decode()),
        _text(todo, "SUMMARY"),
        description="\n\n".join(filter(None, [_text(todo, "DESCRIPTION"), *added])),
        priority=_priority(_text(todo, "PRIORITY")),
        tags=_tags(todo),
        due=due,
        zone=zone,
        pattern=pattern,
        reminders=_reminders(todo, due, lost),
        completed=status == "COMPLETED" or "COMPLETED" in todo,
        not_kept=lost,
    )


def _due(todo: Any, default: str) -> tuple[date | datetime | None, str]:
    """When it is due, and its zone: DUE, or where it has none DTSTART."""
    value = _value(todo, "DUE") or _value(todo, "DTSTART")
    if not isinstance(value, datetime):
        return value, default
    if value.tzinfo is None:  # a floating time: that of whoever looks
        return value.replace(tzinfo=ZoneInfo(default)).astimezone(UTC), default
    key = getattr(value.tzinfo, "key", None)
    is_zone = isinstance(key, str) and key.upper() not in ("UTC", "ETC/UTC")
    return value.astimezone(UTC), key if is_zone and key else default if key else "UTC"


def _value(todo: Any, name: str) -> date | datetime | None:
    value = getattr(todo.get(name), "dt", None)
    return value if isinstance(value, date) else None


def _text(component: Any, name: str) -> str:
    """A property, the first where there are several."""
    value = component.get(name, "")
    return str(value[0] if isinstance(value, list) else value)


def _priority(written: str) -> str | None:
    """RFC 5545, 3.8.1.9: 1 is the highest, 9 the lowest, 0 is none."""
    if written not in tuple("123456789"):
        return None
    number = int(written)
    return "urgent" if number == 1 else "high" if number < 5 else "medium" if number == 5 else "low"


def _tags(todo: Any) -> list[str]:
    listed = todo.get("CATEGORIES", [])
    each_line = listed if isinstance(listed, list) else [listed]
    return [str(tag) for line in each_line for tag in getattr(line, "cats", [])]


def _reminders(todo: Any, due: date | datetime | None, lost: list[str]) -> Iterator[str]:
    """Its alarms: at moments of their own, or before it is due (RFC 5545, 3.8.6.3)."""
    for alarm in todo.walk("VALARM"):
        trigger = alarm.get("TRIGGER")
        value = getattr(trigger, "dt", None)
        if isinstance(value, datetime) and value.tzinfo:
            yield rfc3339.written(value.astimezone(UTC))
        elif isinstance(value, timedelta) and due and (ahead := before(-value.total_seconds())):
            if trigger.params.get("RELATED", "START") == "START" and "DUE" in todo and "DTSTART" in todo:
                lost.append("that an alarm counts from DTSTART: it counts from the due time")
            yield ahead
        else:
            lost.append("an alarm behind the due time, or without one")
