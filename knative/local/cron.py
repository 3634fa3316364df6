"""Cron schedules as PingSource takes them: five fields, or six with seconds first, in a time zone.

The syntax is that of robfig/cron, which Knative uses: lists, ranges, steps, names of months and days, `?` for `*`,
@hourly and its kin. Where day of month and day of week are both given, either will do.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

_DESCRIPTORS = {
    "@yearly": "0 0 1 1 *",
    "@annually": "0 0 1 1 *",
    "@monthly": "0 0 1 * *",
    "@weekly": "0 0 * * 0",
    "@daily": "0 0 * * *",
    "@midnight": "0 0 * * *",
    "@hourly": "0 * * * *",
}
_MONTHS = {
    name: number
    for number, name in enumerate(
        ("jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec"), start=1
    )
}
_DAYS = {name: number for number, name in enumerate(("sun", "mon", "tue", "wed", "thu", "fri", "sat"))}
# Longer than any gap between two 29 February on the same day of the week.
_HORIZON = timedelta(days=366 * 41)


@dataclass(frozen=True)
class Schedule:
    """The moments at which a schedule is due; `next_after` finds them one by one."""

    seconds: frozenset[int]
    minutes: frozenset[int]
    hours: frozenset[int]
    days: frozenset[int]
    months: frozenset[int]
    weekdays: frozenset[int]
    # Whether both kinds of day were given, so that either will do.
    either_day: bool
    zone: ZoneInfo

    def next_after(self, moment: datetime) -> datetime | None:
        """The first moment due after the given one, in UTC; None if none ever comes, as on 30 February.

        In the hour that a change to summer time skips nothing is due; in the one that comes twice, twice.
        """
        local = (moment.astimezone(UTC) + timedelta(seconds=1)).replace(microsecond=0).astimezone(self.zone)
        end = local + _HORIZON
        while local < end:
            if local.month not in self.months or not self._on_day(local):
                local = self._later(local, days=1)
            elif local.hour not in self.hours:
                local = self._later(local, hours=1)
            elif local.minute not in self.minutes:
                local = self._later(local, minutes=1)
            elif local.second not in self.seconds:
                local = self._later(local, seconds=1)
            else:
                return local.astimezone(UTC)
        return None

    def _on_day(self, local: datetime) -> bool:
        in_month, in_week = local.day in self.days, local.isoweekday() % 7 in self.weekdays
        return in_month or in_week if self.either_day else in_month and in_week

    def _later(self, local: datetime, **step: int) -> datetime:
        """The start of the next day, hour, minute or second."""
        if "days" in step:
            midnight = local.replace(hour=0, minute=0, second=0, fold=0) + timedelta(days=1)
            return midnight.astimezone(UTC).astimezone(self.zone)
        if "hours" in step:
            local = local.replace(minute=0, second=0)
        elif "minutes" in step:
            local = local.replace(second=0)
        return (local.astimezone(UTC) + timedelta(**step)).astimezone(self.zone)


def parse(expression: str, timezone: str = "UTC") -> Schedule:
    """Read a schedule; ValueError says what is wrong with it. CRON_TZ=ZONE in front wins over `timezone`."""
    prefix, _, rest = expression.strip().partition(" ")
    if prefix.startswith(("CRON_TZ=", "TZ=")):
        timezone, expression = prefix.partition("=")[2], rest
    fields = _DESCRIPTORS.get(expression.strip(), expression).split()
    if len(fields) == 5:
        fields.insert(0, "0")
    if len(fields) != 6:
        raise ValueError(f"schedule {expression!r} has {len(fields)} fields: it takes 5, or 6 with seconds first")
    try:
        zone = ZoneInfo(timezone)
    except (KeyError, ValueError, OSError):
        raise ValueError(f"there is no time zone {timezone!r}") from None
    seconds, minutes, hours, days, months, weekdays = fields
    return Schedule(
        seconds=_values(seconds, 0, 59),
        minutes=_values(minutes, 0, 59),
        hours=_values(hours, 0, 23),
        days=_values(days, 1, 31),
        months=_values(months, 1, 12, _MONTHS),
        weekdays=_values(weekdays, 0, 6, _DAYS),
        either_day=days[0] not in "*?" and weekdays[0] not in "*?",
        zone=zone,
    )


def _values(field: str, low: int, high: int, names: dict[str, int] | None = None) -> frozenset[int]:
    values: set[int] = set()
    for part in field.split(","):
        span, slash, step = part.partition("/")
        first, dash, last = span.partition("-")
        every = first in {"*", "?"}
        start = low if every else _number(first, field, names)
        end = _number(last, field, names) if dash else high if every or slash else start
        by = _number(step, field) if slash else 1
        if not low <= start <= end <= high or by < 1:
            raise ValueError(f"{part!r} in a schedule is not within {low} to {high}")
        values.update(range(start, end + 1, by))
    return frozenset(values)


def _number(text: str, field: str, names: dict[str, int] | None = None) -> int:
    value = (names or {}).get(text.lower())
    if value is None and text.isascii() and text.isdecimal():
        value = int(text)
    if value is None:
        raise ValueError(f"{field!r} in a schedule is neither *, a number, a range nor a list")
    return value
