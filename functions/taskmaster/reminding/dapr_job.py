"""The wake-up of the dispatcher as one job of Dapr's, in the place of a PingSource: REMINDER_ALARM=dapr-jobs.

A job belongs to the daprd that it is set through, and its callback goes to that daprd's application: the bridge, which
makes of POST /job/reminder-alarm the request that a PingSource makes. It is set by Dapr's HTTP API, alpha in 1.16.
"""

import json
from datetime import UTC, datetime

from taskmaster import clock
from taskmaster.outbound.daprd import Answer, Daprd
from taskmaster.outbound.deadline import DeadlineExceeded, within
from taskmaster.reminding.wakeup import TOTAL_SECONDS, WakeupNotScheduled
from taskmaster.settings import Settings

NAME = "reminder-alarm"
_PATH = f"/v1.0-alpha1/jobs/{NAME}"
_RETRY = "1s"  # between tries at the callback, without end: it may be that nobody answers there yet


class DaprJob:
    """The job `reminder-alarm` of the bridge's daprd: wakeup.Wakeup."""

    def __init__(self, settings: Settings) -> None:
        token = settings.dapr_api_token.get_secret_value()
        self._daprd = Daprd(settings.dapr_url, token, seconds=TOTAL_SECONDS)

    @property
    def is_enabled(self) -> bool:
        return True

    def schedule(self, at: datetime) -> None:
        """A moment that is over has the callback made at once. Where business time moves, the job does not."""
        due = datetime.now(UTC) + (at - clock.now())
        job = {
            "dueTime": due.isoformat(timespec="milliseconds"),
            "data": {},  # without data a job is accepted and never called back
            "overwrite": True,
            "failurePolicy": {"constant": {"interval": _RETRY}},
        }
        self._ask("POST", json.dumps(job).encode())

    def cancel(self) -> None:
        self._ask("DELETE", b"")

    def _ask(self, method: str, body: bytes) -> None:
        """Raises WakeupNotScheduled. Without its scheduler daprd answers after half a minute, which is too late."""

        def asked(_deadline: object) -> Answer:
            try:
                return self._daprd.ask(method, _PATH, body)
            finally:
                self._daprd.close()

        try:
            answer = within(TOTAL_SECONDS, asked)
        except DeadlineExceeded:
            raise WakeupNotScheduled(f"the alarm cannot be set: no answer within {TOTAL_SECONDS:g} s") from None
        except OSError as error:
            raise WakeupNotScheduled(f"the alarm cannot be set: {type(error).__name__}") from None
        if answer.status != 204:
            raise WakeupNotScheduled(f"the alarm cannot be set: daprd answered {answer.reason}")
