"""What came of one try on one channel: delivered, to be tried again later, or failed for good."""

from typing import Literal, NamedTuple


class Outcome(NamedTuple):
    """`detail` says why in a few words, without anything of what was sent; `seconds` is a wish for the next try."""

    outcome: Literal["delivered", "later", "failed"]
    detail: str = ""
    seconds: float | None = None


DELIVERED = Outcome("delivered")


def later(detail: str, *, seconds: float | None) -> Outcome:
    return Outcome("later", detail, seconds)


def failed(detail: str) -> Outcome:
    return Outcome("failed", detail)
