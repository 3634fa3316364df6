"""Timestamps and durations as text: RFC 3339, section 5.6 and appendix A. The one parser of both, for every door.

Letters are of either case. Of a timestamp the seconds may be left out, and a blank may stand for the T. A leap second
is read as the second before it, as RFC 5545 (3.3.12) has it for clocks without leap seconds. Of a duration there are
neither years nor months: how long they are depends on the calendar.
"""

import re
from calendar import monthrange
from datetime import UTC, date, datetime, time, timedelta, timezone
from typing import NamedTuple

_DAY = re.compile(r"(?P<year>[0-9]{4})-(?P<month>[0-9]{2})-(?P<day>[0-9]{2})")
_TIMESTAMP = re.compile(
    _DAY.pattern + r"[Tt ](?P<hour>[0-9]{2}):(?P<minute>[0-9]{2})(:(?P<second>[0-9]{2})([.](?P<fraction>[0-9]+))?)?"
    r"(?P<offset>[Zz]|(?P<sign>[+-])(?P<hours>[0-9]{2}):?(?P<minutes>[0-5][0-9]))?"
)
_DURATION = re.compile(
    r"P(?:(\d{1,5})W)?(?:(\d{1,5})D)?(?:T(?=\d)(?:(\d{1,6})H)?(?:(\d{1,7})M)?(?:(\d{1,9})S)?)?",
    re.ASCII | re.IGNORECASE,
)


class WrongForm(ValueError):
    """A text that is not written as RFC 3339 has it."""


class NoSuchTime(ValueError):
    """A timestamp of the right form that the calendar or the clock does not have, such as 30 February or 25:00."""


class Duration(NamedTuple):
    """Days of the calendar, then exact seconds."""

    days: int
    seconds: int


def timestamp(text: str) -> datetime:
    """An aware datetime in the offset that was written; digits beyond the microsecond are dropped.

    Raises WrongForm, also where the offset is missing, and NoSuchTime.
    """
    moment = timestamp_or_local(text)
    if moment.tzinfo is None:
        raise WrongForm("must have its offset from UTC")
    return moment


def timestamp_or_local(text: str) -> datetime:
    """The same; a naive datetime where no offset is written."""
    found = _TIMESTAMP.fullmatch(text)
    if found is None:
        raise WrongForm("must be a timestamp")
    microsecond = int((found["fraction"] or "")[:6].ljust(6, "0"))
    hour, minute, second = (int(found[name] or 0) for name in ("hour", "minute", "second"))
    try:
        return date_time(_date(found), hour, minute, second, microsecond=microsecond, offset=_offset(found))
    except ValueError as error:
        raise NoSuchTime(str(error)) from None


def date_time(
    day: date, hour: int, minute: int, second: int, *, microsecond: int = 0, offset: timezone | None = None
) -> datetime:
    """The datetime of these numbers, of which `second` may be 60 where a leap second can be: then it is 59.

    In UTC that is the end of a month's last minute; on a clock of unknown offset the end of any minute. Raises
    ValueError.
    """
    moment = datetime.combine(day, time(hour, minute, 59 if second == 60 else second, microsecond, offset))
    if second == 60 and offset is not None and not _ends_a_month(moment):
        raise ValueError("a leap second ends the last minute of a month, in UTC")
    return moment


def _ends_a_month(moment: datetime) -> bool:
    """Whether a moment is in the last minute of a month, in UTC."""
    try:
        utc = moment.astimezone(UTC)
    except OverflowError:
        return False
    return (utc.day, utc.hour, utc.minute) == (monthrange(utc.year, utc.month)[1], 23, 59)


def day(text: str) -> date:
    """A full-date. Raises WrongForm and NoSuchTime."""
    found = _DAY.fullmatch(text)
    if found is None:
        raise WrongForm("must be a day")
    try:
        return _date(found)
    except ValueError as error:
        raise NoSuchTime(str(error)) from None


def duration(text: str) -> Duration:
    """Weeks, days, hours, minutes and seconds, each at most once. Raises WrongForm."""
    found = _DURATION.fullmatch(text)
    if found is None or found.lastindex is None:
        raise WrongForm("must be a duration such as PT30M or P1D: weeks, days, hours, minutes and seconds")
    weeks, days, hours, minutes, seconds = (int(number or 0) for number in found.groups())
    return Duration(weeks * 7 + days, hours * 3600 + minutes * 60 + seconds)


def written(moment: datetime) -> str:
    """A moment in UTC, with a Z."""
    return moment.astimezone(UTC).isoformat().replace("+00:00", "Z")


def to_the_second(moment: datetime) -> str:
    """The same without a fraction, as people read it."""
    return written(moment.replace(microsecond=0))


def _date(found: re.Match[str]) -> date:
    return date(int(found["year"]), int(found["month"]), int(found["day"]))


def _offset(found: re.Match[str]) -> timezone | None:
    if found["offset"] is None:
        return None
    if found["sign"] is None:
        return UTC
    offset = timedelta(hours=int(found["hours"]), minutes=int(found["minutes"]))
    return timezone(-offset if found["sign"] == "-" else offset)
