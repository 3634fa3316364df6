"""One call of a channel, by webhook, Apprise or mail, under the deadline that a delivery gives it."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from taskmaster.domain.outcome import Outcome, later
from taskmaster.outbound.deadline import Deadline, DeadlineExceeded, within
from taskmaster.reminding import apprise_channel, mail, webhook


def post_webhook(
    url: str, secret: str, message_id: str, payload: Mapping[str, Any], *, allowed: Sequence[str]
) -> Outcome:
    return _called(
        webhook.TOTAL_SECONDS,
        lambda deadline: webhook.post(url, secret, message_id, payload, deadline=deadline, allowed=allowed),
    )


def send_by_apprise(url: str, title: str, text: str, *, allowed: Sequence[str]) -> Outcome:
    return _called(
        webhook.TOTAL_SECONDS,
        lambda deadline: apprise_channel.send(url, title, text, deadline=deadline, allowed=allowed),
    )


def send_mail(address: str, subject: str, text: str, message_id: str, *, smtp_url: str, sender: str) -> Outcome:
    return _called(
        mail.TOTAL_SECONDS,
        lambda deadline: mail.send(
            address, subject, text, message_id, smtp_url=smtp_url, sender=sender, deadline=deadline
        ),
    )


def _called(seconds: float, call: Callable[[Deadline], Outcome]) -> Outcome:
    try:
        return within(seconds, call)
    except DeadlineExceeded:
        return later("no answer in time", seconds=None)
