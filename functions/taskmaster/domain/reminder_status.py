"""What became of the reminders of tasks, as their user sees it. Pure."""

from collections.abc import Iterable
from datetime import datetime
from typing import Annotated, Any, Literal, Self

from pydantic import BeforeValidator, Field

from taskmaster.domain.reminder_rows import ReminderRow
from taskmaster.domain.task import MAX_ID, Command, FrozenModel, number

MOST = 1000  # reminders that are shown, the latest moments first
MOST_TASKS = 100

Status = Literal["ahead", "under way", "later", "sent", "failed", "ended"]


def _listed(value: Any) -> Any:
    return value if isinstance(value, list) else [value]


class ListReminders(Command):
    """Which tasks' reminders, as a query string says it; `task_id` may be given several times."""

    task_id: Annotated[
        list[Annotated[int, Field(ge=1, le=MAX_ID), BeforeValidator(number)]],
        Field(min_length=1, max_length=MOST_TASKS),
        BeforeValidator(_listed),
    ] = Field(description="of these tasks, up to 100; one that is not the caller's has none")


class ReminderStatus(FrozenModel):
    """One reminder of a task."""

    task_id: int = Field(description="whose reminder it is")
    reminder_id: str = Field(description="which reminder it is; the webhook-id of its delivery")
    remind_at: datetime = Field(description="the moment it is for")
    status: Status = Field(
        description="ahead; under way; later: held back, or to be tried again; sent by one channel at least; failed on "
        "all, or too old to be sent; ended without a channel, since its user has none: the event is all there is"
    )
    due_at: datetime | None = Field(description="when it is sent next; null where it is under way, or nothing follows")
    reason: str | None = Field(description="why it failed as a whole: stale, too old to be sent")
    channels: dict[str, dict[str, str]] = Field(
        description="by channel that was tried: outcome (delivered, later or failed) and detail, why"
    )

    @classmethod
    def of(cls, row: ReminderRow) -> Self:
        told = {name: {"outcome": each["outcome"], "detail": each["detail"]} for name, each in row.outcomes.items()}
        waits = row.fired_at is None and not row.is_closed
        return cls(
            task_id=row.task_id,
            reminder_id=row.reminder_id,
            remind_at=row.moment,
            status=_status(row),
            due_at=row.due_at if waits else None,
            reason=row.reason,
            channels=told,
        )


class ReminderStatuses(FrozenModel):
    """The reminders of tasks, the latest moment first; those that were sent or failed are kept for 30 days."""

    reminders: list[ReminderStatus]

    @classmethod
    def of(cls, rows: Iterable[ReminderRow]) -> Self:
        return cls(reminders=[ReminderStatus.of(row) for row in rows])


def _status(row: ReminderRow) -> Status:
    if row.is_closed:
        outcomes = {each["outcome"] for each in row.outcomes.values()}
        if "delivered" in outcomes:
            return "sent"
        return "failed" if outcomes or row.reason else "ended"
    if row.fired_at is not None:
        return "under way"
    return "later" if row.outcomes or row.due_at > row.moment else "ahead"
