"""The wake-up of the dispatcher: a PingSource of its own, whose schedule is patched to one second of one day.

It calls the Kubernetes API with the pod's service account, whose Role allows this one object and nothing else. Settings
and messages call that PingSource the alarm. Where Dapr is the transport, a job of Dapr's may be it: dapr_job.py.
"""

from datetime import UTC, datetime
from typing import Protocol

from taskmaster.errors import TaskmasterError
from taskmaster.outbound import http_session, kubernetes
from taskmaster.outbound.deadline import Deadline, DeadlineExceeded, within
from taskmaster.settings import Settings

_PATH = "/apis/sources.knative.dev/v1/namespaces/{namespace}/pingsources/{name}"
_ONCE_A_YEAR = "0 0 0 1 1 *"  # a PingSource cannot be without a schedule
TOTAL_SECONDS = 10.0  # until the schedule is patched, or WakeupNotScheduled is raised


class WakeupNotScheduled(TaskmasterError):
    """The alarm is not set. Try again."""


class Wakeup(Protocol):
    """One wake-up, which a later call moves. It may come late, twice or not at all."""

    @property
    def is_enabled(self) -> bool: ...

    def schedule(self, at: datetime) -> None:
        """Have dispatch woken at that second of business time. Returns once it is stored. Raises WakeupNotScheduled."""

    def cancel(self) -> None:
        """Have dispatch not woken, since no reminder is ahead. Raises WakeupNotScheduled."""


class PingSourceWakeup:
    """The PingSource that REMINDER_ALARM names; none where that is `off`."""

    def __init__(self, settings: Settings) -> None:
        self._name = settings.reminder_alarm
        self._api = settings.kubernetes_api_url.rstrip("/")

    @property
    def is_enabled(self) -> bool:
        return self._name != "off"

    def schedule(self, at: datetime) -> None:
        self._set(cron(at))

    def cancel(self) -> None:
        self._set(_ONCE_A_YEAR)

    def _set(self, schedule: str) -> None:
        http_session.load()
        import requests

        try:
            status = within(TOTAL_SECONDS, lambda deadline: self._patch(schedule, deadline))
        except DeadlineExceeded:
            raise WakeupNotScheduled(f"the alarm cannot be set: no answer within {TOTAL_SECONDS:g} s") from None
        except requests.RequestException as error:
            raise WakeupNotScheduled(f"the alarm cannot be set: {type(error).__name__}") from None
        if status != 200:
            raise WakeupNotScheduled(f"the alarm cannot be set: the Kubernetes API answered {status}")

    def _patch(self, schedule: str, deadline: Deadline) -> int:
        """The status of the answer. Its body is not read."""
        with (
            kubernetes.session(deadline) as session,
            session.patch(
                self._api + _PATH.format(namespace=kubernetes.namespace(), name=self._name),
                json={"spec": {"schedule": schedule, "timezone": "UTC"}},
                headers={"Content-Type": "application/merge-patch+json", **kubernetes.headers()},
                timeout=TOTAL_SECONDS,
                allow_redirects=False,
                stream=True,
            ) as answer,
        ):
            return answer.status_code


def cron(at: datetime) -> str:
    """The cron schedule, with seconds, of one moment a year."""
    at = at.astimezone(UTC)
    return f"{at.second} {at.minute} {at.hour} {at.day} {at.month} *"
