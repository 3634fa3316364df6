"""Delivery: one reminder to the channels of its user, side by side. Outside any transaction.

Each channel is a call in a thread of its own, under a deadline, and comes to an outcome of its own whatever happens to
the others. What one user, one channel and one host may have under way at once is bounded: what is above comes again
later, as a row that is due then, so that a slow receiver holds up nobody but whoever chose it.
"""

import logging
import time
import traceback
from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import NamedTuple
from zoneinfo import ZoneInfo

from taskmaster import clock
from taskmaster.domain.channels import webhook_address
from taskmaster.domain.outcome import Outcome, failed, held_back, later
from taskmaster.domain.preferences import Mail, Webhook
from taskmaster.domain.reminder_rows import ReminderRow
from taskmaster.domain.task import Task
from taskmaster.outbound import http_session
from taskmaster.outbound.deadline import Call, Deadline, DeadlineExceeded, begin
from taskmaster.reminding import mail, webhook
from taskmaster.reminding.breaker import SLOW_SECONDS, Breaker
from taskmaster.settings import Settings

log = logging.getLogger(__name__)

MOST_OF_A_USER = 10  # calls at once, where a KafkaSource has 50 events under way and a pod 64 threads
LONGEST_HELD = timedelta(hours=12)  # beyond REMINDER_STALE_HOURS: then what was held back again and again has failed
_FULL_SECONDS = 5.0

_users = Breaker(most=MOST_OF_A_USER, watches=False)
_channels = Breaker(most=MOST_OF_A_USER)  # of one user each: trouble with one is none with another
_hosts = Breaker()


class Delivered(NamedTuple):
    """What came of it by channel, and when the first one was called, in business time."""

    called_at: datetime
    outcomes: Mapping[str, Outcome]


class _Message(NamedTuple):
    """What is sent, by whichever channel."""

    task: Task
    reminder: ReminderRow
    called_at: datetime
    late: bool
    settings: Settings

    def begin(self, channel: Webhook | Mail, place: "_Place") -> Call[Outcome] | None:
        """Begin the call of a channel, which has its place already. None where the process has no thread left."""
        since = time.monotonic()
        answered = False

        def work(deadline: Deadline) -> Outcome:
            nonlocal answered
            if isinstance(channel, Mail):
                outcome = self._by_mail(channel, deadline)
            else:
                outcome = self._by_webhook(channel, deadline)
            answered = outcome.outcome == "delivered"
            return outcome

        def leave() -> None:  # when its thread has ended, which a silent name server may keep beyond the deadline
            place.leave(slow=time.monotonic() - since > SLOW_SECONDS, in_vain=not answered)

        try:
            return begin(mail.TOTAL_SECONDS if isinstance(channel, Mail) else webhook.TOTAL_SECONDS, work, at_end=leave)
        except RuntimeError:  # no thread is to be had: nothing was called
            place.leave(slow=None, in_vain=False)
            return None

    def _by_mail(self, channel: Mail, deadline: Deadline) -> Outcome:
        return mail.send(
            channel.address,
            f"Reminder: {self.task.title}",
            text(self.task, late=self.late),
            self.reminder.reminder_id,
            smtp_url=self.settings.smtp_url.get_secret_value(),
            sender=self.settings.mail_from,
            deadline=deadline,
        )

    def _by_webhook(self, channel: Webhook, deadline: Deadline) -> Outcome:
        told = _told(self.task, self.reminder, self.late)
        return webhook.post(
            channel.url,
            channel.secret or "",
            self.reminder.reminder_id,
            {"type": "reminder.due", "timestamp": self.called_at.isoformat(), "data": told},
            deadline=deadline,
            allowed=self.settings.webhook_allow,
        )


class _Place(NamedTuple):
    """What a call counts against."""

    user: str
    channel: str
    host: str

    @property
    def gates(self) -> tuple[tuple[Breaker, str, str], ...]:
        return (_users, self.user, ""), (_channels, self.channel, ""), (_hosts, self.host, self.user)

    def enter(self) -> float | None:
        """None if the call may begin, and `leave` must follow; else the seconds after which to come again."""
        entered: list[tuple[Breaker, str, str]] = []
        for breaker, key, by in self.gates:
            if not breaker.enter(key, by=by):
                for other, its_key, its_by in entered:
                    other.leave(its_key, slow=None, by=its_by)
                return breaker.seconds_until(key)
            entered.append((breaker, key, by))
        return None

    def leave(self, *, slow: bool | None, in_vain: bool) -> None:
        for breaker, key, by in self.gates:
            breaker.leave(key, slow=slow, in_vain=in_vain, by=by)

    @property
    def has_room(self) -> bool:
        """Whether a call might begin."""
        return all(breaker.has_room(key) for breaker, key, _ in self.gates)

    def seconds_until_free(self) -> float:
        """The seconds after which to come again, where a call may not begin."""
        full = [(breaker, key) for breaker, key, _ in self.gates if not breaker.has_room(key)]
        return max((breaker.seconds_until(key) for breaker, key in full), default=0.0)


def deliver(
    task: Task,
    reminder: ReminderRow,
    channels: Mapping[str, Webhook | Mail],
    *,
    user_id: str,
    late: bool,
    settings: Settings,
) -> Delivered:
    """Send a reminder by these channels, named as their outcomes will be. Never raises for what a channel does."""
    called_at = clock.now()
    given_up = called_at - reminder.moment > timedelta(hours=settings.reminder_stale_hours) + LONGEST_HELD
    message = _Message(task, reminder, called_at, late, settings)
    outcomes: dict[str, Outcome] = {}
    calls: dict[str, Call[Outcome]] = {}
    for name, channel in channels.items():
        place = _place(user_id, channel)
        wait = place.enter()
        if wait is None:
            if call := message.begin(channel, place):
                calls[name] = call
                continue
            wait = _FULL_SECONDS
        if given_up:
            outcomes[name] = failed("held back for too long: its receiver is too slow, or too much is due at once")
        else:
            outcomes[name] = held_back("held back: too much is under way", seconds=wait)
    return Delivered(called_at, {name: outcomes.get(name) or _outcome(calls[name]) for name in channels})


def get_ready() -> None:
    """Do what the first call would do before it is made."""
    http_session.trusting()  # imports requests as well


def seconds_held(channels: Mapping[str, Webhook | Mail], *, user_id: str, age: timedelta) -> float:
    """How long a reminder of this age is held back, where none of its channels may be called now; 0 where one may."""
    if age > LONGEST_HELD or any(_place(user_id, channel).has_room for channel in channels.values()):
        return 0.0
    return min((_place(user_id, channel).seconds_until_free() for channel in channels.values()), default=0.0)


def text(task: Task, *, late: bool) -> str:
    """The reminder as a person reads it, times in the task's zone."""
    lines = [task.title]
    if task.due_at:
        lines.append(f"Due {task.due_at.astimezone(ZoneInfo(task.time_zone)):%Y-%m-%d %H:%M} ({task.time_zone})")
    elif task.due_on:
        lines.append(f"Due {task.due_on.isoformat()}")
    if late:
        lines.append("This reminder comes late: the service was not there at its time.")
    if task.description:
        lines += ["", task.description]
    return "\n".join(lines) + "\n"


def _outcome(call: Call[Outcome]) -> Outcome:
    try:
        return call.result()
    except DeadlineExceeded:
        return later("no answer in time", seconds=None)
    except Exception as error:  # of ours, or of a library: no reason to try the other channels again
        at = traceback.extract_tb(error.__traceback__)[-1]
        log.error("a channel failed: %s at %s:%s", type(error).__name__, at.filename, at.lineno)  # its text may quote
        return failed(f"it cannot be sent: {type(error).__name__}")


def _place(user_id: str, channel: Webhook | Mail) -> _Place:
    if isinstance(channel, Mail):
        host = "the mail server"
    else:
        try:
            host = webhook_address(channel.url).host
        except ValueError:
            host = "nowhere"
    return _Place(user_id, f"{user_id}\n{host}", host)


def _told(task: Task, reminder: ReminderRow, late: bool) -> dict[str, object]:
    told = task.model_dump(
        mode="json", include={"task_id", "title", "description", "priority", "tags", "due_at", "due_on", "time_zone"}
    )
    return {**told, "reminder_id": reminder.reminder_id, "remind_at": reminder.moment.isoformat(), "late": late}
