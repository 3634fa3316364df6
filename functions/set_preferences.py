"""set-preferences: the preferences of a user are replaced as a whole.

Reminders at the hour of the day move with it, those of a few tasks in one transaction.
"""

from typing import Annotated

from pydantic import Field

from taskmaster.domain.preferences import SetPreferences, ShownPreferences
from taskmaster.domain.task import Command, Fact, Refused
from taskmaster.domain.user_channels import Apprise
from taskmaster.handling.unit_of_work import Work
from taskmaster.reminding import apprise_channel
from taskmaster.web.door import function, handles


class GetPreferences(Command):
    pass


@handles(http=["GET /", "GET /preferences"])
def show_preferences(command: GetPreferences, work: Work) -> ShownPreferences:
    """What the user prefers; secrets are not shown."""
    return work.preferences.shown()


@handles("preferences.set", http=["PUT /", "PUT /preferences"], destructive=True)
def change_preferences(command: SetPreferences, work: Work) -> ShownPreferences:
    """What the user prefers, as a whole: what is left out takes its default."""
    _check_installed(command)
    stored = work.reminders.lock_preferences()
    work.check_preconditions(stored.shown())
    preferences = command.applied_to(stored)
    if preferences != stored:
        work.reminders.save_preferences(preferences)
    return preferences.shown()


def _check_installed(command: SetPreferences) -> None:
    """Refused (422) where a channel needs Apprise and these functions have none. What is stored may be put back."""
    is_needed = any(isinstance(channel, Apprise) and channel.url for channel in command.channels)
    if is_needed and not apprise_channel.is_installed():
        raise Refused(
            422, "No Apprise here", f"No channel of type apprise can be set: {apprise_channel.NOT_INSTALLED}."
        )


class RemindersMove(Fact):
    ticket: Annotated[str, Field(pattern="^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$")]


@handles("reminders.move")
def move_reminders(fact: RemindersMove, work: Work) -> None:
    """The reminders of a few more tasks move to a new hour of the day."""
    work.reminders.move(fact.ticket)


set_preferences = function("set_preferences", show_preferences, change_preferences, move_reminders)
