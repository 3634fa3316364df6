"""The dispatcher: one request of a process fires due reminders, waits for those due soon, sets the alarm for others.

Nothing is claimed ahead and nothing is leased. Two on duty at once fire every reminder once between them, and one that
dies is called again by whoever called it.
"""

import logging
import os
import time
from datetime import datetime, timedelta
from threading import Condition

from taskmaster import clock, runtime
from taskmaster.database.session import Busy, Unavailable
from taskmaster.reminding import due
from taskmaster.reminding.wakeup import Alarm, AlarmNotSet
from taskmaster.runtime import Runtime

log = logging.getLogger(__name__)

LONGEST = 240.0  # seconds that one request stays on duty, below the Service's timeoutSeconds
NEAR = timedelta(seconds=60)  # what is worth waiting for
TICK = timedelta(minutes=10)  # between two ticks where there is no alarm
EARLY = timedelta(seconds=10)  # before a moment the alarm rings: a start from zero takes up to three
WARM_UP = timedelta(seconds=5)  # before a moment send-reminder is woken
_RETRY_AFTER = (0.2, 0.5, 1.0, 2.0, 5.0)  # seconds while the database is away, or the alarm cannot be set
_HELD = (0.02, 0.04, 0.08, 0.1)  # seconds between looks while all that is due waits: for other hands, or for room
_SLICE = 0.2 if os.environ.get("CLOCK_OFFSET_FILE") else 30.0  # seconds until a moved clock, or a suspend, is noticed


class Dispatcher:
    """Of one process. `serve` is called by every request; one of them is on duty, the others only make it look."""

    def __init__(self) -> None:
        self._changed = Condition()
        self._on_duty = False
        self._news = False
        self._leaving = False
        self._looks = 0  # since everything that was due could be had
        self._warm_until = 0.0  # monotonic seconds: send-reminder was busy or woken

    def serve(self, here: Runtime) -> None:
        """Be on duty until nothing is near. Raises Unavailable or Busy when the database stayed away all the time."""
        runtime.on_leaving(self.leave)
        with self._changed:
            self._news = True
            self._changed.notify_all()
            if self._on_duty:
                return
            self._on_duty = True
        try:
            while self._has_news():
                self._keep(here, until=time.monotonic() + LONGEST)
        except BaseException:
            self._on_duty = False
            raise

    def leave(self) -> None:
        """The process is to end: hand over."""
        with self._changed:
            self._leaving = True
            self._changed.notify_all()

    def _has_news(self) -> bool:
        """Whether to look (again). Where not, duty has ended in the same breath, so that no news is lost."""
        with self._changed:
            self._on_duty = self._news and not self._leaving
            return self._on_duty

    def _keep(self, here: Runtime, *, until: float) -> None:
        alarm = Alarm(here.settings)
        failures = 0
        while True:
            self._news = False
            try:
                if self._round(here, alarm, until):
                    return
                failures = 0
            except (Unavailable, Busy, AlarmNotSet) as error:
                log.warning("on duty, trying again: %s", error)
                if time.monotonic() > until and not isinstance(error, AlarmNotSet):
                    raise
                self._pause(_RETRY_AFTER[min(failures, len(_RETRY_AFTER) - 1)])
                failures += 1
            if self._leaving or time.monotonic() > until:
                due.request_dispatch(here)
                return

    def _round(self, here: Runtime, alarm: Alarm, until: float) -> bool:
        """Fire what is due and look after what comes next. Whether there is nothing left to stay for."""
        if due.fire(here, now=clock.now()):
            self._warm_until = time.monotonic() + WARM_UP.total_seconds()
            return False
        now = clock.now()
        coming = due.schedule_next_wakeup(here, by=None if alarm.is_used else now + TICK)
        if coming and coming <= now + (NEAR if alarm.is_used else TICK):
            self._await(here, coming, until)
            return False
        if not alarm.is_used:
            return True
        if coming:
            alarm.ring(at=coming - EARLY)
        else:
            alarm.rest()
        return due.scheduled_wakeup(here) == coming  # else somebody else has set it meanwhile, to another moment

    def _await(self, here: Runtime, moment: datetime, until: float) -> None:
        """Wait for a moment of business time, and wake send-reminder shortly before."""
        if self._sleep_until(moment - WARM_UP, until) and time.monotonic() > self._warm_until:
            due.warm_up_delivery(here)
            self._warm_until = time.monotonic() + 2 * WARM_UP.total_seconds()
        if moment > clock.now():
            self._looks = 0
        if self._sleep_until(moment, until) and clock.now() - moment > timedelta(milliseconds=20):
            self._wait_for_room(here, until)

    def _wait_for_room(self, here: Runtime, until: float) -> None:
        """All that is due is in other hands, or of users who have enough under way: a moment, not a storm.

        What others have due meanwhile is not held up by that: it is looked for at its moment.
        """
        now = clock.now()
        again = now + timedelta(seconds=_HELD[min(self._looks, len(_HELD) - 1)])
        self._looks += 1
        coming = due.next_moment(here, after=now)
        self._sleep_until(min(again, coming) if coming else again, until)

    def _sleep_until(self, moment: datetime, until: float) -> bool:
        """Whether it is that moment. Ends earlier for news, at the end of the duty, or when time was moved back."""
        left = (moment - clock.now()).total_seconds()
        with self._changed:
            while left > 0:
                if self._news or self._leaving or time.monotonic() > until:
                    return False
                self._changed.wait(min(left, _SLICE))
                was, left = left, (moment - clock.now()).total_seconds()
                if left > was + 1:
                    return False
        return True

    def _pause(self, seconds: float) -> None:
        with self._changed:
            if not self._leaving:
                self._changed.wait(seconds)
