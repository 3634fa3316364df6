"""Deliver one event as a Knative source does: retry, back off, and hand what fails to the dead letter sink.

The rules are those of Knative's data plane specification as KafkaSource has them: a status below 300 is
success; 404, 408, 409, 429, every 5xx and no answer at all are retried; everything else goes to the dead
letter sink at once. That sink is called by the same rules, and an event it does not take either is lost.

An event with a header that HTTP cannot carry has no answer either, each time: no request is made, yet it is tried as
often as any other, first for the sink and then, with the same header, for the dead letter sink.
"""

from __future__ import annotations

import base64
import enum
import logging
import threading
from collections import Counter

from knative.local.cloud_event import CloudEvent
from knative.local.resources import Delivery
from knative.local.sink import Answer, NoAnswerError, Sink

_logger = logging.getLogger(__name__)

_ERROR_DATA_BYTES = 1024
_ERROR_HEADER_PREFIX = "kne-"


class Outcome(enum.Enum):
    """What became of an event."""

    DELIVERED = "delivered"
    DEAD_LETTERED = "dead_lettered"
    # Nobody has it any more.
    DROPPED = "dropped"
    # Stopped in between: it has to be delivered again.
    INTERRUPTED = "interrupted"


class _InterruptedError(Exception):
    """Told to stop while waiting to retry."""


class Dispatcher:
    """Delivers the events of one source to its sink; used by many threads at once."""

    def __init__(self, *, name: str, destination: str, delivery: Delivery, sink: Sink) -> None:
        self.counts: Counter[str] = Counter()
        self._name = name
        self._destination = destination
        self._delivery = delivery
        self._sink = sink

    def dispatch(self, event: CloudEvent, stopping: threading.Event) -> Outcome:
        """Deliver, however long it takes; only `stopping` cuts the wait between two attempts short."""
        try:
            outcome = self._dispatch(event, stopping)
        except _InterruptedError:
            outcome = Outcome.INTERRUPTED
        self.counts[outcome.value] += 1
        return outcome

    def _dispatch(self, event: CloudEvent, stopping: threading.Event) -> Outcome:
        answer = self._send(self._destination, event, stopping)
        if _succeeded(answer):
            return Outcome.DELIVERED
        dead_letter_sink = self._delivery.dead_letter_sink
        if dead_letter_sink is None:
            return self._drop(event, f"{_described(answer)}, and there is no dead letter sink")
        dead_letter = event.extended(_error_attributes(self._destination, answer))
        last = self._send(dead_letter_sink, dead_letter, stopping)
        if _succeeded(last):
            _logger.warning(
                "%s: event %s went to the dead letter sink: %s",
                self._name,
                event.attributes["id"],
                _described(answer),
            )
            return Outcome.DEAD_LETTERED
        return self._drop(event, f"{_described(answer)}, and {dead_letter_sink} failed too: {_described(last)}")

    def _send(self, url: str, event: CloudEvent, stopping: threading.Event) -> Answer | None:
        """The first answer that is not to be retried, or the last one; None if the last attempt had none."""
        headers = {"prefer": b"reply", **event.http_headers()}
        if unsendable := event.unsendable():
            _logger.error(
                "%s: event %s can never be sent, for what its header %s holds; it is tried until it is given up",
                self._name,
                event.attributes["id"],
                unsendable,
            )
        answer: Answer | None = None
        for attempt in range(self._delivery.retry + 1):
            if attempt:
                self.counts["retries"] += 1
                if stopping.wait(backoff(self._delivery, attempt)):
                    raise _InterruptedError
            if unsendable:
                continue
            try:
                answer = self._sink(url, headers, event.data, self._delivery.timeout.total_seconds())
            except NoAnswerError as error:
                answer = None
                _logger.debug("%s: attempt %d of %s: %s", self._name, attempt, event.attributes["id"], error)
            if answer is not None and not _retryable(answer.status):
                break
        return answer

    def _drop(self, event: CloudEvent, reason: str) -> Outcome:
        _logger.error(
            "%s: EVENT LOST: %s from %s: %s",
            self._name,
            event.attributes["id"],
            event.attributes["source"],
            reason,
        )
        return Outcome.DROPPED


def backoff(delivery: Delivery, retry: int) -> float:
    """Seconds before the given retry, counted from 1: delay times n, or times 2^n."""
    factor = retry if delivery.backoff_policy == "linear" else 2**retry
    return delivery.backoff_delay.total_seconds() * factor


def _succeeded(answer: Answer | None) -> bool:
    return answer is not None and answer.status < 300


def _retryable(status: int) -> bool:
    return status in {404, 408, 409, 429} or status >= 500


def _error_attributes(destination: str, answer: Answer | None) -> dict[str, str]:
    attributes = {"knativeerrordest": destination}
    if answer is None:
        return attributes
    attributes["knativeerrorcode"] = str(answer.status)
    for name, value in answer.headers.items():
        if name.startswith(_ERROR_HEADER_PREFIX):
            attributes[name.removeprefix(_ERROR_HEADER_PREFIX)] = value
    if answer.body:
        attributes["knativeerrordata"] = base64.b64encode(answer.body[:_ERROR_DATA_BYTES]).decode()
    return attributes


def _described(answer: Answer | None) -> str:
    return "no answer" if answer is None else f"status {answer.status}"
