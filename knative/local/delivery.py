"""Deliver one event as a Knative source does: retry, back off, and hand what fails to the dead letter sink.

Which answers are retried, knative_delivery/answers.py says. The dead letter sink is called by the same rules, and an
event that it does not take either is lost.

An event with a header that HTTP cannot carry has no answer either, each time: no request is made, yet it is tried as
often as any other, first for the sink and then, with the same header, for the dead letter sink.
"""

from __future__ import annotations

import enum
import logging
import threading
from collections import Counter

from knative.local.resources import Delivery
from knative_delivery.answers import described, error_attributes, is_retried, is_success
from knative_delivery.cloud_event import CloudEvent
from knative_delivery.sink import Answer, NoAnswerError, Sink

_logger = logging.getLogger(__name__)


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
        if is_success(answer):
            return Outcome.DELIVERED
        dead_letter_sink = self._delivery.dead_letter_sink
        if dead_letter_sink is None:
            return self._drop(event, f"{described(answer)}, and there is no dead letter sink")
        dead_letter = event.extended(error_attributes(self._destination, answer))
        last = self._send(dead_letter_sink, dead_letter, stopping)
        if is_success(last):
            _logger.warning(
                "%s: event %s went to the dead letter sink: %s",
                self._name,
                event.attributes["id"],
                described(answer),
            )
            return Outcome.DEAD_LETTERED
        return self._drop(event, f"{described(answer)}, and {dead_letter_sink} failed too: {described(last)}")

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
            if not is_retried(answer):
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
