"""The dispatch loop: it dispatches due reminders, waits for those due soon, and schedules a wake-up for later ones.

A reminder is not claimed ahead of its moment, and nothing is leased. Two processes that dispatch at once dispatch every
reminder once between them. Where one dies, its event is delivered again, or the next wake-up finds what is due.
"""

import logging
import time
from datetime import datetime, timedelta
from threading import Condition

from taskmaster import clock
from taskmaster.database.session import Busy, Unavailable
from taskmaster.reminding.due import DueReminders
from taskmaster.reminding.wakeup import Wakeup, WakeupNotScheduled

log = logging.getLogger(__name__)

LONGEST_REQUEST = 240.0  # seconds that the loop runs in one request, below the Service's timeoutSeconds
SOON = timedelta(seconds=60)  # the loop waits for a reminder that is due within this
TICK = timedelta(minutes=10)  # between two ticks, where no wake-up is scheduled
START_UP = timedelta(seconds=10)  # from a wake-up to the moment it is for: a start from zero takes up to three
WARM_UP = timedelta(seconds=5)  # before a moment send-reminder is woken
_RETRY_AFTER = (0.2, 0.5, 1.0, 2.0, 5.0)  # seconds while the database is unavailable, or a wake-up cannot be scheduled
_RECHECK_AFTER = (
    0.02,
    0.04,
    0.08,
    0.1,
)  # seconds, below RECHECK, while locks or users without room hold what is due
_ON_TIME = timedelta(milliseconds=20)


class Dispatcher:
    """One per process, with one active loop: a request that comes meanwhile makes the loop check again, and returns."""

    def __init__(self, due_reminders: DueReminders, wakeup: Wakeup, *, clock_may_move: bool = False) -> None:
        self.longest_sleep = 0.2 if clock_may_move else 30.0  # seconds until a moved clock, or a suspend, is noticed
        self._due_reminders = due_reminders
        self._wakeup = wakeup
        self._changed = Condition()
        self._is_active = False
        self._is_requested = False
        self._is_stopping = False
        self._rechecks = 0  # in a row, that found nothing to dispatch of what is due
        self._warm_until = 0.0  # monotonic seconds until which send-reminder has a process

    def run_until_idle(self) -> None:
        """Run the loop until no reminder is due soon. Returns at once where the loop is active already.

        Raises Unavailable or Busy when the database was unavailable all the time.
        """
        with self._changed:
            self._is_requested = True
            self._changed.notify_all()
            if self._is_active:
                return
            self._is_active = True
        try:
            while self._continues():
                self._run(until=time.monotonic() + LONGEST_REQUEST)
        except BaseException:
            self._is_active = False
            raise

    def stop(self) -> None:
        """End the loop, since the process is to end; the event that it leaves starts the loop of another process."""
        with self._changed:
            self._is_stopping = True
            self._changed.notify_all()

    def _continues(self) -> bool:
        """Whether the loop was requested (again). If not, it ends under the same lock, so that no request is missed."""
        with self._changed:
            self._is_active = self._is_requested and not self._is_stopping
            return self._is_active

    def _run(self, *, until: float) -> None:
        failures = 0
        while True:
            self._is_requested = False
            try:
                if self._dispatch(until):
                    return
                failures = 0
            except (Unavailable, Busy, WakeupNotScheduled) as error:
                log.warning("dispatching waits: %s", error)
                if time.monotonic() > until and not isinstance(error, WakeupNotScheduled):
                    raise
                self._pause(_RETRY_AFTER[min(failures, len(_RETRY_AFTER) - 1)])
                failures += 1
            if self._is_stopping or time.monotonic() > until:
                self._due_reminders.request_dispatch()
                return

    def _dispatch(self, until: float) -> bool:
        """Dispatch a batch of what is due; where there is none, wait or schedule. Whether the loop is idle then."""
        looked_at = clock.now()
        if self._due_reminders.dispatch(now=looked_at):
            self._warm_until = time.monotonic() + WARM_UP.total_seconds()
            return False
        now = clock.now()
        wakeups = self._wakeup.is_enabled
        following = self._due_reminders.schedule_next_wakeup(now=now, by=None if wakeups else now + TICK)
        if following and following <= now + (SOON if wakeups else TICK):
            self._wait_for(following, until, looked_at)
            return False
        if not wakeups:
            return True
        if following:
            self._wakeup.schedule(following - START_UP)
        else:
            self._wakeup.cancel()
        if following and following <= clock.now() + SOON:
            # Time has leapt, as on a machine that was suspended: a schedule set after its moment rings in a year.
            return False
        # If it differs, another transaction has scheduled another moment meanwhile.
        return self._due_reminders.scheduled_wakeup() == following

    def _wait_for(self, moment: datetime, until: float, looked_at: datetime) -> None:
        """Wait for a moment of business time, and wake send-reminder shortly before it.

        What was due at `looked_at` already could not be dispatched then. What is due since is dispatched at once.
        """
        if self._sleep_until(moment - WARM_UP, until) and time.monotonic() > self._warm_until:
            self._due_reminders.warm_up_delivery()
            self._warm_until = time.monotonic() + 2 * WARM_UP.total_seconds()
        if moment > clock.now():
            self._rechecks = 0
        if self._sleep_until(moment, until) and moment <= looked_at and clock.now() - moment > _ON_TIME:
            self._wait_to_recheck(until)

    def _wait_to_recheck(self, until: float) -> None:
        """Pause, since all that is due is locked elsewhere, or is of users with too many reminders in delivery.

        The pause ends early when another reminder is due.
        """
        now = clock.now()
        again = now + timedelta(seconds=_RECHECK_AFTER[min(self._rechecks, len(_RECHECK_AFTER) - 1)])
        self._rechecks += 1
        following = self._due_reminders.next_moment(after=now)
        self._sleep_until(min(again, following) if following else again, until)

    def _sleep_until(self, moment: datetime, until: float) -> bool:
        """Whether it is that moment. Ends earlier for a request, a stop, the end of the run, or a clock set back."""
        left = (moment - clock.now()).total_seconds()
        with self._changed:
            while left > 0:
                if self._is_requested or self._is_stopping or time.monotonic() > until:
                    return False
                self._changed.wait(min(left, self.longest_sleep))
                was, left = left, (moment - clock.now()).total_seconds()
                if left > was + 1:
                    return False
        return True

    def _pause(self, seconds: float) -> None:
        with self._changed:
            if not self._is_stopping:
                self._changed.wait(seconds)
