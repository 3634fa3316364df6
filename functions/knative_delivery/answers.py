"""What an answer means to a source: delivered, to be sent again, or a dead letter, and what a dead letter says.

The rules are those of Knative's data plane specification as KafkaSource was seen to follow them: a status below 300 is
success; 404, 408, 409, 429, every 5xx and no answer at all are sent again; everything else is a dead letter at once.
"""

from __future__ import annotations

import base64

from knative_delivery.sink import Answer

_RETRIED = frozenset({404, 408, 409, 429})
_ERROR_DATA_BYTES = 1024
_ERROR_HEADER_PREFIX = "kne-"


def is_success(answer: Answer | None) -> bool:
    return answer is not None and answer.status < 300


def is_retried(answer: Answer | None) -> bool:
    """Whether the event is sent again; None is no answer."""
    return answer is None or answer.status in _RETRIED or answer.status >= 500


def described(answer: Answer | None) -> str:
    """An answer in a word or two, for a log."""
    return "no answer" if answer is None else f"status {answer.status}"


def error_attributes(destination: str, answer: Answer | None) -> dict[str, str]:
    """The attributes that a dead letter gets: where it failed, the status, and at most 1,024 bytes of the body."""
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
