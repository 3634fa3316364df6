"""What a user prefers: time zone, when a task reminds, quiet hours, where reminders are delivered. Pure.

Wall times are HH:MM in the user's own zone. The `secret` of a channel is stored and never shown.
"""

import hashlib
import re
from collections.abc import Callable, Mapping
from datetime import UTC, datetime, time, timedelta
from typing import Annotated, Any, Literal, Self
from zoneinfo import ZoneInfo

from pydantic import AfterValidator, Field

from taskmaster.domain.channels import LONGEST_ADDRESS, LONGEST_URL, mail_address, signing_key, webhook_address
from taskmaster.domain.reminders import Lead
from taskmaster.domain.task import Command, FrozenModel, Refused, TimeZone


def _usable(read: Callable[[str], object]) -> AfterValidator:
    """Refuse a text that `read` cannot read, in its words; the text itself is kept as it was written."""

    def check(text: str) -> str:
        read(text)
        return text

    return AfterValidator(check)


def _kept(pattern: str, what: str) -> AfterValidator:
    """Refuse a text that does not keep to a pattern, in words; the schemas show the pattern."""
    whole = re.compile(pattern)

    def check(text: str) -> str:
        if not whole.fullmatch(text):
            raise ValueError(f"must be {what}")
        return text

    return AfterValidator(check)


# Patterns that mean the same in every dialect of regular expressions: what \s stands for is another set in each. Those
# of channels are the rough ones of the released schemas; the module channels has the rules.
_WALL_TIME = "^([01][0-9]|2[0-3]):[0-5][0-9]$"
_APART = r"\x00-\x20\x7f-\xa0\u1680\u2000-\u200a\u2028\u2029\u202f\u205f\u3000\ufeff"
_MAIL_ADDRESS = rf"^[^{_APART}@<>()\[\],;:\\\"]{{1,64}}@[A-Za-z0-9.-]{{1,190}}$"
_KEY = "^whsec_[A-Za-z0-9+/]{32,88}={0,2}$"

WallTime = Annotated[
    str, Field(json_schema_extra={"pattern": _WALL_TIME}), _kept(_WALL_TIME, "a time of day, such as 07:00")
]
WebhookUrl = Annotated[
    str, Field(max_length=LONGEST_URL, json_schema_extra={"format": "uri"}), _usable(webhook_address)
]
Secret = Annotated[str, Field(json_schema_extra={"pattern": _KEY}), _usable(signing_key)]
MailAddress = Annotated[
    str,
    Field(max_length=LONGEST_ADDRESS, json_schema_extra={"pattern": _MAIL_ADDRESS}),
    _usable(mail_address),
]


class QuietHours(FrozenModel):
    """From one wall time to another, the second left out; it may cross midnight."""

    start: WallTime = Field(description="HH:MM, in the user's zone")
    end: WallTime = Field(description="HH:MM; before start: on the next day")

    def include(self, wall: time) -> bool:
        start, end = _wall(self.start), _wall(self.end)
        return start <= wall < end if start < end else wall >= start or wall < end


class Webhook(FrozenModel):
    """Reminders are POSTed there, signed with the secret by Standard Webhooks."""

    type: Literal["webhook"]
    url: WebhookUrl
    secret: Secret | None = Field(
        default=None, description="whsec_ and 24 to 64 bytes in base64; absent: the one that is kept for this url"
    )

    @property
    def target(self) -> str:
        return self.url


class Mail(FrozenModel):
    """Reminders are mailed there."""

    type: Literal["mail"]
    address: MailAddress

    @property
    def target(self) -> str:
        return self.address


Channel = Annotated[Webhook | Mail, Field(discriminator="type")]


def name_of(channel: Webhook | Mail) -> str:
    """The name of a channel in outcomes: its type, and a digest of its address."""
    return f"{channel.type}-{hashlib.sha256(channel.target.encode()).hexdigest()[:12]}"


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
        kept = [(Mail if each["type"] == "mail" else Webhook).model_construct(**each) for each in row["channels"]]
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
        channels = [ShownWebhook(url=each.url) if isinstance(each, Webhook) else each for each in self.channels]
        return ShownPreferences(**{**self.model_dump(exclude={"channels"}), "channels": channels})

    def announced(self) -> "AnnouncedPreferences":
        """The preferences in an event: of the channels only the types, since an address may be a secret too."""
        fields = self.model_dump(exclude={"channels"})
        return AnnouncedPreferences(**fields, channels=[channel.type for channel in self.channels])


class ShownWebhook(FrozenModel):
    """A webhook without its secret."""

    type: Literal["webhook"] = "webhook"
    url: str


class ShownPreferences(FrozenModel):
    """The preferences as their owner sees them: of a webhook everything but its secret."""

    time_zone: str
    day_hour: str
    reminders: list[str] | None
    quiet_hours: QuietHours | None
    channels: list[Annotated[ShownWebhook | Mail, Field(discriminator="type")]]


class AnnouncedPreferences(FrozenModel):
    """Data of preferences.updated."""

    time_zone: str
    day_hour: str
    reminders: list[str] | None = Field(description="of a new task that names none: durations before it is due")
    quiet_hours: QuietHours | None
    channels: list[str] = Field(description="the type of each, and no address")


class SetPreferences(Command):
    """Replace all preferences: a field left out takes its default. A webhook without a secret keeps the stored one."""

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
        if len({channel.target for channel in self.channels}) < len(self.channels):
            raise Refused(422, "The same channel twice", "Each address may be given once.")
        secrets = {channel.url: channel.secret for channel in kept.channels if isinstance(channel, Webhook)}
        channels = [_with_secret(channel, secrets) for channel in self.channels]
        return Preferences(**{**self.model_dump(exclude={"channels"}), "channels": channels})


def _with_secret(channel: Webhook | Mail, secrets: dict[str, str | None]) -> Webhook | Mail:
    if isinstance(channel, Mail) or channel.secret:
        return channel
    secret = secrets.get(channel.url)
    try:
        signing_key(secret or "")
    except ValueError:
        raise Refused(
            422,
            "A secret is missing",
            "A new webhook needs a secret, and so does one whose kept secret is no key: whsec_ and 24 to 64 bytes in"
            " base64.",
        ) from None
    return channel.model_copy(update={"secret": secret})


def _jump(before: datetime, after: datetime, zone: ZoneInfo) -> datetime:
    """The moment at which a zone's clock is moved, once, between two moments; to the second."""
    while after - before > timedelta(seconds=1):
        middle = before + (after - before) / 2
        is_moved = middle.astimezone(zone).utcoffset() == after.astimezone(zone).utcoffset()
        before, after = (before, middle) if is_moved else (middle, after)
    return after.replace(microsecond=0)


def _wall(text: str) -> time:
    return time.fromisoformat(text)
