"""VTIMEZONE (RFC 5545, 3.6.5) from the zone database, for the years that matter.

The library makes one too, whose summer begins an hour late: it reads the local time of an onset with the offset after
it, where the RFC reads it with the one before.
"""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

from icalendar import Timezone, TimezoneDaylight, TimezoneStandard

_STEP = timedelta(days=7)  # no zone changes its clock twice in a week
_SECOND = timedelta(seconds=1)

_Clock = tuple[timedelta, str, bool]  # offset from UTC, name, whether it is summer time


def described(key: str, *, first_year: int, last_year: int) -> Timezone:
    """The zone's clock from the beginning of a year to the end of another."""
    zone = ZoneInfo(key)
    begin, end = datetime(first_year, 1, 1, tzinfo=UTC), datetime(last_year + 1, 1, 1, tzinfo=UTC)
    observances: dict[tuple[timedelta, _Clock], list[datetime]] = {}
    clock = _clock(zone, begin)
    observances[clock[0], clock] = [_local(begin, clock[0])]
    for moment in _changes(zone, begin, end):
        before, clock = clock, _clock(zone, moment)
        observances.setdefault((before[0], clock), []).append(_local(moment, before[0]))
    timezone = Timezone()
    timezone.add("tzid", key)
    for (offset_from, (offset, name, is_summer)), onsets in observances.items():
        part = TimezoneDaylight() if is_summer else TimezoneStandard()
        part.add("dtstart", onsets[0])
        part.add("tzoffsetfrom", offset_from)
        part.add("tzoffsetto", offset)
        part.add("tzname", name)
        if onsets[1:]:
            part.add("rdate", onsets[1:])
        timezone.add_component(part)
    return timezone


def _changes(zone: ZoneInfo, begin: datetime, end: datetime) -> Iterator[datetime]:
    """The moments, to the second, at which the zone's clock is changed."""
    early = begin
    while early < end:
        late = early + _STEP
        if _clock(zone, early) != _clock(zone, late):
            low, high = early, late
            while high - low > _SECOND:
                middle = low + (high - low) // 2
                low, high = (middle, high) if _clock(zone, middle) == _clock(zone, low) else (low, middle)
            yield high.replace(microsecond=0)
        early = late


def _clock(zone: ZoneInfo, moment: datetime) -> _Clock:
    local = moment.astimezone(zone)
    return local.utcoffset() or timedelta(), local.tzname() or "", bool(local.dst())


def _local(moment: datetime, offset: timedelta) -> datetime:
    """What a clock shows that has this offset: naive, as the onset of an observance is written."""
    return (moment + offset).replace(tzinfo=None)
