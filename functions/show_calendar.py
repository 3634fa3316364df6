"""show-calendar: a user's open tasks as a calendar feed, at a secret address that the user makes and revokes."""

from datetime import datetime

from pydantic import Field

from taskmaster.calendars.feed import MOST_TASKS, CalendarFeed
from taskmaster.domain.paging import ListTasks
from taskmaster.domain.task import Command, FrozenModel
from taskmaster.handling.unit_of_work import Work
from taskmaster.identity.secret_address import digest_of, new_secret
from taskmaster.web.door import function, handles


class ShowCalendar(Command):
    """The feed itself, which its secret address opens."""


class MakeCalendar(Command):
    """A new secret address; nothing has to be said."""


class RevokeCalendar(Command):
    pass


class CalendarAddress(FrozenModel):
    """Where the feed is: shown this once, since only a digest of it is kept."""

    address: str = Field(description="the path of the feed, at the address of this call; who knows it reads the tasks")
    made_at: datetime = Field(description="when it was made; the address before has ended then")


@handles(http=["GET /{secret}.ics", "GET /calendar/{secret}.ics"], by_address=True)
def show_feed(command: ShowCalendar, work: Work) -> CalendarFeed:
    """The open tasks as a calendar (RFC 5545), for programs that subscribe to one.

    Each is a VTODO, and where it is due a VEVENT too; a series has a rule, or its next dates where no rule says them.
    At most 500 tasks, those that are due first. The address takes no token: the secret in it says whose tasks it shows.
    An address that was revoked is answered like one that never was.
    """
    filters = ListTasks(status="open").filters(now=work.now)
    tasks = work.list_tasks(filters, sort="due", beyond=None, limit=MOST_TASKS)
    return CalendarFeed(tasks, work.series_of_all(tasks), now=work.now)


@handles(http=["PUT /", "PUT /calendar"], destructive=True, idempotent=False)
def make_calendar(command: MakeCalendar, work: Work) -> CalendarAddress:
    """A new secret address for the calendar feed; the one before ends.

    The address is shown this once. Whoever knows it reads the open tasks: revoke it where it became known.
    """
    secret = new_secret()
    digest = digest_of(secret)
    assert digest is not None
    work.save_calendar(digest)
    return CalendarAddress(address=f"/calendar/{secret}.ics", made_at=work.now)


@handles(http=["DELETE /", "DELETE /calendar"], destructive=True)
def revoke_calendar(command: RevokeCalendar, work: Work) -> None:
    """The address of the calendar feed ends, if there is one."""
    work.delete_calendar()


show_calendar = function("show_calendar", show_feed, make_calendar, revoke_calendar)
