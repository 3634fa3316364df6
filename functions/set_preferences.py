"""set-preferences: what a user prefers changes as a whole; reminders at the hour of the day move along."""

from taskmaster.door import function, handles
from taskmaster.preferences import SetPreferences, ShownPreferences
from taskmaster.tasks import Command
from taskmaster.work import Work


class GetPreferences(Command):
    pass


@handles(http=["GET /", "GET /preferences"])
def show_preferences(command: GetPreferences, work: Work) -> ShownPreferences:
    """What the user prefers; secrets are not shown."""
    return work.preferences.shown()


@handles("preferences.set", http=["PUT /", "PUT /preferences"])
def change_preferences(command: SetPreferences, work: Work) -> ShownPreferences:
    """What the user prefers, as a whole: what is left out takes its default."""
    kept = work.lock_preferences()
    work.compare(kept.shown())
    preferences = command.applied_to(kept)
    if preferences != kept:
        work.prefer(preferences)
    return preferences.shown()


set_preferences = function("set_preferences", show_preferences, change_preferences)
