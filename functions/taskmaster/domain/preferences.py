"""What a user prefers: time zone, when a task reminds, quiet hours, where reminders are delivered. Pure.

Wall times are HH:MM in the user's own zone. What is secret of a channel is stored and never shown.
"""

import re
from collections.abc import Mapping
from datetime import UTC, datetime, time, timedelta
from typing import Annotated, Any, Self
from zoneinfo import ZoneInfo

from pydantic import AfterValidator, Field

from taskmaster.domain import user_channels
from taskmaster.domain.reminders import Lead
from taskmaster.domain.task import Command, FrozenModel, Refused, TimeZone
from taskmaster.domain.user_channels import Channel, ShownChannel


def _kept(pattern: str, what: str) -> AfterValidator:
    """Refuse a text that does not keep to a pattern, in words; the schemas show the pattern."""
    whole = re.compile(pattern)

    def check(text: str) -> str:
        if not whole.fullmatch(text):
            raise ValueError(f"must be {what}")
        return text

    return AfterValidator(check)


_WALL_TIME = "^([01][0-9]|2[0-3]):[0-5][0-9]$"

WallTime = Annotated[
    str, Field(json_schema_extra={"pattern": _WALL_TIME}), _kept(_WALL_TIME, "a time of day, such as 07:00")
]


class QuietHours(FrozenModel):
    """From one wall time to another, the second left out; it may cross midnight."""

    start: WallTime = Field(description="HH:MM, in the user's zone")
    end: WallTime = Field(description="HH:MM; before start: on the next day")

    def include(self, wall: time) -> bool:
        start, end = _wall(self.start), _wall(self.end)
        return start <= wall < end if start < end else wall >= start or wall < end


class Preferences(FrozenModel):
    """The preferences of a user; the defaults are those of a user who has set nothing."""

    time_zone: str = "UTC"
    day_hour: str = "09:00"
    reminders: list[str] | None = None
    quiet_hours: QuietHours | None = None
    channels: list[Channel] = []

    @classmethod
    def stored(cls, row: Mapping[str, Any]) -> Self:
        """The preferences in a row. Its channels are not checked again: they were checked when they were set.

        A channel that the present rules refuse fails when it is used; its user can still see and replace all channels.
        """
        kept = [user_channels.stored(each) for each in row["channels"]]
        return cls.model_validate({**row, "channels": []}).model_copy(update={"channels": kept})

    def quiet_until(self, moment: datetime) -> datetime | None:
        """The moment at which the quiet hours around this one end, or None if it is in none. Aware, UTC.

        They are read off the clock: quiet is whatever it shows between start and end. So an hour that comes twice may
        be quiet twice, and where the clock jumps out of them, they are over with the jump.
        """
        if self.quiet_hours is None:
            return None
        zone = ZoneInfo(self.time_zone)
        local = moment.astimezone(zone)
        if not self.quiet_hours.include(local.time()):
            return None
        end = _wall(self.quiet_hours.end)
        ends = datetime.combine(local.date() + timedelta(days=local.time() >= end), end, zone)
        until = next(each for fold in (0, 1) if (each := ends.replace(fold=fold).astimezone(UTC)) > moment)
        if until.astimezone(zone).utcoffset() != local.utcoffset():
            jump = _jump(moment, until, zone)
            if not self.quiet_hours.include(jump.astimezone(zone).time()):
                return jump
        return until

    def shown(self) -> "ShownPreferences":
        """The preferences as their owner sees them: without secrets."""
        channels = [user_channels.shown(each) for each in self.channels]
        return ShownPreferences(**{**self.model_dump(exclude={"channels"}), "channels": channels})

    def announced(self) -> "AnnouncedPreferences":
        """The preferences in an event: of the channels only the types, since an address may be a secret too."""
        fields = self.model_dump(exclude={"channels"})
        return AnnouncedPreferences(**fields, channels=[channel.type for channel in self.channels])


class ShownPreferences(FrozenModel):
    """The preferences as their owner sees them: of a channel everything but what is secret."""

    time_zone: str
    day_hour: str
    reminders: list[str] | None
    quiet_hours: QuietHours | None
    channels: list[ShownChannel]


class AnnouncedPreferences(FrozenModel):
    """Data of preferences.updated."""

    time_zone: str
    day_hour: str
    reminders: list[str] | None = Field(description="of a new task that names none: durations before it is due")
    quiet_hours: QuietHours | None
    channels: list[str] = Field(description="the type of each, and no address")


class SetPreferences(Command):
    """Replace all preferences: a field left out takes its default, and a channel without its secret the stored one."""

    time_zone: TimeZone = Field(default="UTC", description="IANA name; what a task without a zone of its own gets")
    day_hour: WallTime = Field(
        default="09:00", description="when a task that is due on a day reminds, in the task's zone"
    )
    reminders: Lead | None = Field(
        default=None,
        description="of a new task that is due and names none: durations before it is due; null is at the due time",
    )
    quiet_hours: QuietHours | None = Field(default=None, description="when no reminder is sent; it comes when they end")
    channels: Annotated[list[Channel], Field(max_length=5)] = Field(
        default=[], description="where reminders are delivered"
    )

    def applied_to(self, kept: Preferences) -> Preferences:
        """The resulting preferences. Refused (422) where a secret is missing or a quiet time has no length."""
        if self.quiet_hours and self.quiet_hours.start == self.quiet_hours.end:
            raise Refused(422, "Quiet for no time", "quiet_hours must not end at the time at which they start.")
        channels = user_channels.completed(self.channels, kept.channels)
        return Preferences(**{**self.model_dump(exclude={"channels"}), "channels": channels})


def _jump(before: datetime, after: datetime, zone: ZoneInfo) -> datetime:
    """The moment at which a zone's clock is moved, once, between two moments; to the second."""
    while after - before > timedelta(seconds=1):
        middle = before + (after - before) / 2
        is_moved = middle.astimezone(zone).utcoffset() == after.astimezone(zone).utcoffset()
        before, after = (before, middle) if is_moved else (middle, after)
    return after.replace(microsecond=0)


def _wall(text: str) -> time:
    return time.fromisoformat(text)
