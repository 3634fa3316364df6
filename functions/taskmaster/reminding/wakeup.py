"""The alarm: a PingSource of its own, whose schedule is patched to the second at which dispatch is to be woken.

It asks the Kubernetes API with the pod's service account, whose Role allows this one object and nothing else.
"""

from datetime import UTC, datetime

from taskmaster.errors import TaskmasterError
from taskmaster.outbound import http_session, kubernetes
from taskmaster.outbound.deadline import Deadline, DeadlineExceeded, within
from taskmaster.settings import Settings

_PATH = "/apis/sources.knative.dev/v1/namespaces/{namespace}/pingsources/{name}"
_REST = "0 0 0 1 1 *"  # once a year: a PingSource has no never
TOTAL_SECONDS = 10.0  # until the alarm is set, or is not


class AlarmNotSet(TaskmasterError):
    """The alarm is not set. Try again."""


class Alarm:
    """The PingSource that REMINDER_ALARM names; none where that is `off`."""

    def __init__(self, configured: Settings) -> None:
        self._name = configured.reminder_alarm
        self._api = configured.kubernetes_api_url.rstrip("/")

    @property
    def is_used(self) -> bool:
        return self._name != "off"

    def ring(self, *, at: datetime) -> None:
        """Wake dispatch at that second, business time. Returns once the cluster has it; raises AlarmNotSet."""
        self._set(schedule(at))

    def rest(self) -> None:
        """There is nothing to wake dispatch for. Raises AlarmNotSet."""
        self._set(_REST)

    def _set(self, cron: str) -> None:
        http_session.load()
        import requests

        try:
            status = within(TOTAL_SECONDS, lambda deadline: self._patch(cron, deadline))
        except DeadlineExceeded:
            raise AlarmNotSet(f"the alarm cannot be set: no answer within {TOTAL_SECONDS:g} s") from None
        except requests.RequestException as error:
            raise AlarmNotSet(f"the alarm cannot be set: {type(error).__name__}") from None
        if status != 200:
            raise AlarmNotSet(f"the alarm cannot be set: the Kubernetes API answered {status}")

    def _patch(self, cron: str, deadline: Deadline) -> int:
        """The status of the answer, whose body nobody reads."""
        with (
            kubernetes.session(deadline) as session,
            session.patch(
                self._api + _PATH.format(namespace=kubernetes.namespace(), name=self._name),
                json={"spec": {"schedule": cron, "timezone": "UTC"}},
                headers={"Content-Type": "application/merge-patch+json", **kubernetes.headers()},
                timeout=TOTAL_SECONDS,
                allow_redirects=False,
                stream=True,
            ) as answer,
        ):
            return answer.status_code


def schedule(at: datetime) -> str:
    """The cron schedule, with seconds, of one moment a year."""
    at = at.astimezone(UTC)
    return f"{at.second} {at.minute} {at.hour} {at.day} {at.month} *"
