"""The outcome of one try on one channel: delivered, to be tried again later, or failed for good."""

from typing import Literal, NamedTuple


class Outcome(NamedTuple):
    """`detail` is the reason in a few words, without content of the reminder; `seconds` is the wait that is asked for.

    With `is_try` false the channel was not called, which does not count as a try.
    """

    outcome: Literal["delivered", "later", "failed"]
    detail: str = ""
    seconds: float | None = None
    is_try: bool = True


DELIVERED = Outcome("delivered")


def later(detail: str, *, seconds: float | None) -> Outcome:
    return Outcome("later", detail, seconds)


def held_back(detail: str, *, seconds: float) -> Outcome:
    return Outcome("later", detail, seconds, is_try=False)


def failed(detail: str) -> Outcome:
    return Outcome("failed", detail)
