"""An event of daprd's becomes the request that KafkaSource makes, and the function's answer what daprd does next.

function's answer                     what daprd is told
below 300                             200: acknowledged
404, 408, 409, 429, 5xx, or none      503: delivered again. Never 404, which Dapr drops
any other                             park-dead-letter keeps it, with the attributes that KafkaSource adds; then 200,
                                      or 503 where that failed
"""

import logging
import uuid
from datetime import UTC, datetime
from typing import NamedTuple

from knative_delivery import answers
from knative_delivery.cloud_event import CloudEvent, rfc3339
from knative_delivery.sink import Answer, NoAnswerError, Sink
from taskmaster.bridge import delivered
from taskmaster.bridge.settings import BridgeSettings
from taskmaster.bridge.subscriptions import DEAD_LETTER_SINK, Mailbox

logger = logging.getLogger(__name__)

ALARM = "reminder-alarm"
DISPATCH = "dispatch-due-reminders"
EVENTS = "/events"
ACKNOWLEDGED, AGAIN = 200, 503
PARK_SECONDS = 60.0
_LONGEST = 2048  # characters of an attribute, and attributes, of a dead letter that is too large as it is
_MOST = 100


class Outcome(NamedTuple):
    """What daprd is told, and what came of the event, for the log: delivered, parked, again."""

    status: int
    word: str
    reason: str = ""


class Bridge:
    """Hands events to functions. Keeps nothing between two of them; threads may share one."""

    def __init__(self, settings: BridgeSettings, sink: Sink) -> None:
        self._settings = settings
        self._sink = sink

    def deliver(self, mailbox: Mailbox, record: delivered.Record) -> Outcome:
        """One record for the function of its mailbox: send, and park what is refused."""
        event = delivered.event(record, namespace=self._settings.namespace, function=mailbox.function)
        destination = self._address(mailbox.function)
        if record.has_position and (header := event.unsendable()):
            # KafkaSource never gets such a record out, and its partition waits for hours.
            why = {"knativeerrordest": destination, "reason": f"no header of HTTP can carry its {header}"}
            return self._park(event.extended(why), is_encoded=True)
        is_encoded = not record.has_position
        answer = self._send(destination, event, is_encoded=is_encoded, seconds=mailbox.seconds)
        if answers.is_success(answer):
            return Outcome(ACKNOWLEDGED, "delivered")
        if answers.is_retried(answer):
            return Outcome(AGAIN, "again", answers.described(answer))
        return self._park(event.extended(answers.error_attributes(destination, answer)), is_encoded=is_encoded)

    def wake_dispatch(self, *, seconds: float) -> Outcome:
        """The callback of the job that is the alarm: the call that the PingSource of this name makes."""
        event = CloudEvent(
            {
                "specversion": "1.0",
                "id": str(uuid.uuid4()),
                "source": f"/apis/v1/namespaces/{self._settings.namespace}/pingsources/{ALARM}",
                "type": "dev.knative.sources.ping",
                "time": rfc3339(datetime.now(UTC)),
            },
            None,
            b"",
        )
        answer = self._send(self._address(DISPATCH), event, is_encoded=False, seconds=seconds)
        if answers.is_success(answer):
            return Outcome(ACKNOWLEDGED, "delivered")
        return Outcome(AGAIN, "again", answers.described(answer))  # a refusal too: the alarm is not to be lost

    def _park(self, dead_letter: CloudEvent, *, is_encoded: bool) -> Outcome:
        if is_encoded:
            dead_letter = delivered.without_position(dead_letter)
        answer = None
        for letter in (dead_letter, _shortened(dead_letter)):
            answer = self._send(self._address(DEAD_LETTER_SINK), letter, is_encoded=is_encoded, seconds=PARK_SECONDS)
            if answers.is_success(answer):
                return Outcome(ACKNOWLEDGED, "parked", f"status {letter.attributes.get('knativeerrorcode', 'none')}")
            if answers.is_retried(answer):
                break
        return Outcome(AGAIN, "again", f"{DEAD_LETTER_SINK}: {answers.described(answer)}")

    def _address(self, function: str) -> str:
        return f"http://{function}.{self._settings.namespace}.svc.cluster.local{EVENTS}"

    def _send(self, address: str, event: CloudEvent, *, is_encoded: bool, seconds: float) -> Answer | None:
        """The answer, or None. The trust is KafkaSource's: an internal host, and the token of a service account."""
        headers = {"prefer": b"reply", **(delivered.encoded(event) if is_encoded else event.http_headers())}
        try:
            if token := self._settings.event_token():
                headers["authorization"] = b"Bearer " + token.encode("ascii")
            url = address
            if self._settings.gateway:
                headers["host"] = address.split("/")[2].encode()
                url = self._settings.gateway + EVENTS
            return self._sink(url, headers, event.data, seconds)
        except (NoAnswerError, OSError, ValueError) as error:
            logger.debug("no answer: %s", error)
            return None


def _shortened(dead_letter: CloudEvent) -> CloudEvent:
    """Without the attributes that are too long, or too many, for the headers of a request."""
    short = [(name, text) for name, text in dead_letter.attributes.items() if len(text) <= _LONGEST]
    last = [pair for pair in short if pair[0].startswith("knativeerror")]
    kept = dict([*short[: _MOST - len(last)], *last])
    why = {"reason": "its attributes are too long, or too many: some are left out"}
    return CloudEvent({**kept, **why}, dead_letter.content_type, dead_letter.data)
