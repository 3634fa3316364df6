"""Data of the events about the pack's own work: reminders to dispatch, reminders to move, a refused command."""

from datetime import datetime

from pydantic import Field

from taskmaster.domain.task import FrozenModel


class ReminderArmed(FrozenModel):
    """Data of reminder.armed: the earliest moment that the dispatcher does not know of yet."""

    moment: datetime = Field(description="when to be awake")


class Moving(FrozenModel):
    """Data of reminders.move: reminders have yet to follow a new hour of the day."""

    ticket: str = Field(description="which change of the hour it is for")


class Rejection(FrozenModel):
    """Data of task.command.rejected: which command a rule refused, and what a person's call would have got."""

    command: str = Field(description="its event type")
    command_id: str = Field(description="the id of its event")
    status: int = Field(description="what a person's HTTP call would have got")
    title: str = Field(description="which rule, in short")
    detail: str = Field(description="why, and what to do")
