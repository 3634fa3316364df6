"""One reminder through its states: armed, in delivery, held back or to be tried again, closed. Pure.

The row is stored; an event is published when the reminder is fired and when its delivery ends.
"""

from collections.abc import Collection, Mapping
from datetime import datetime, timedelta
from typing import Any, NamedTuple, Self

from pydantic import Field

from taskmaster.domain.outcome import Outcome
from taskmaster.domain.task import FrozenModel, Task

MOST_TRIES = 8  # of one channel, over about ten hours
_TRY_AGAIN_AFTER = (15, 60, 300, 900, 3600, 10_800, 21_600)  # seconds


class ReminderDue(Task):
    """Data of reminder.due: the task, and which of its reminders is due. `late` is by more than a minute."""

    reminder_id: str = Field(default="", description="which reminder is due; the webhook-id of its delivery")
    remind_at: datetime | None = Field(default=None, description="the moment it is for")
    late: bool = Field(default=False, description="whether it comes more than a minute after that moment")


class ReminderOutcome(FrozenModel):
    """Data of reminder.sent and reminder.failed: the outcome on every channel, and why the reminder failed as a whole.

    `called_at` is when the first channel was called; `remind_at` is when it should have been.
    """

    task_id: int = Field(description="whose reminder it was")
    reminder_id: str = Field(description="which reminder it was; the webhook-id of its delivery")
    remind_at: datetime = Field(description="the moment it was for")
    late: bool = Field(description="whether it came more than a minute after that moment")
    channels: dict[str, dict[str, str]] = Field(
        description="by channel: outcome (delivered, later or failed) and detail, why"
    )
    reason: str | None = Field(default=None, description="why it failed as a whole: stale, too old to be sent")
    called_at: datetime | None = Field(default=None, description="when the first channel was called")


class ReminderRow(FrozenModel):
    """One reminder of a task for one moment: armed, fired, held back or to be tried again, and at last closed."""

    reminder_id: str
    task_id: int
    moment: datetime
    due_at: datetime
    fired_at: datetime | None
    attempts: int
    outcomes: dict[str, dict[str, str]]
    is_closed: bool
    reason: str | None = None  # why it failed as a whole: stale

    @property
    def is_in_delivery(self) -> bool:
        return self.fired_at is not None and not self.is_closed

    def is_settled(self, channel: str) -> bool:
        """Whether nothing more is to be tried on a channel."""
        return self.outcomes.get(channel, {}).get("outcome") in ("delivered", "failed")

    def due_again(self, channel: str) -> datetime | None:
        """When a channel whose outcome is "later" is tried again; None for one that was not tried, or is settled."""
        again = self.outcomes.get(channel, {}).get("again_at")
        return None if again is None or self.is_settled(channel) else datetime.fromisoformat(again)

    def tries(self, channel: str) -> int:
        """How often a channel was tried. Rows of earlier releases count the rounds of all channels only."""
        kept = self.outcomes.get(channel)
        return 0 if kept is None else int(kept.get("tries", self.attempts))

    def held_back(self, *, until: datetime) -> Self:
        """The same reminder, due again later."""
        return self.model_copy(update={"due_at": until, "fired_at": None})

    def outcome_record(self, *, late: bool, called_at: datetime) -> ReminderOutcome:
        return ReminderOutcome(
            task_id=self.task_id,
            reminder_id=self.reminder_id,
            remind_at=self.moment,
            late=late,
            channels={
                name: {"outcome": each["outcome"], "detail": each["detail"]} for name, each in self.outcomes.items()
            },
            called_at=called_at,
        )


class Move(NamedTuple):
    """A move of a user's reminders to a new hour of the day: those of tasks up to `after_task` have moved."""

    after_task: int
    asked_at: datetime


def after_delivery(
    row: ReminderRow, tried: Mapping[str, Outcome], *, now: datetime, channels: Collection[str] | None = None
) -> tuple[ReminderRow, str | None]:
    """A reminder after a round of delivery, and the event that follows.

    A reminder is sent when the first channel has delivered it, and at once for a user without channels, who has the
    event. It has failed when every channel has. A channel whose outcome is "later" is tried again, a limited number of
    times; being held back is not a try. `channels` are those that the user has now; by default, all that were tried.
    """
    everything = {**row.outcomes, **{name: _noted(row, name, each, now) for name, each in tried.items()}}
    was_sent = any(each["outcome"] == "delivered" for each in row.outcomes.values())
    is_sent = any(each["outcome"] == "delivered" for each in everything.values()) or not everything
    attempts = row.attempts + any(each.is_try for each in tried.values())
    after = row.model_copy(update={"attempts": attempts, "outcomes": everything})
    waiting = [again for name in (tried if channels is None else channels) if (again := after.due_again(name))]
    update: dict[str, Any] = {"due_at": min(waiting), "fired_at": None} if waiting else {"is_closed": True}
    event = None
    if is_sent:
        event = None if was_sent else "reminder.sent"
    elif not waiting:
        event = "reminder.failed"
    return after.model_copy(update=update), event


def _noted(row: ReminderRow, channel: str, tried: Outcome, now: datetime) -> dict[str, str]:
    """What the row keeps about one try on one channel."""
    tries = row.tries(channel) + tried.is_try
    if tried.outcome != "later":
        return {"outcome": tried.outcome, "detail": tried.detail}
    if tried.is_try and tries >= MOST_TRIES:
        return {"outcome": "failed", "detail": tried.detail}
    wait = tried.seconds
    if wait is None:
        wait = _TRY_AGAIN_AFTER[min(max(tries, 1), len(_TRY_AGAIN_AFTER)) - 1]
    again = now + timedelta(seconds=wait)
    return {"outcome": "later", "detail": tried.detail, "tries": str(tries), "again_at": again.isoformat()}
