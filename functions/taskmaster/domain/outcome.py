"""What came of one try on one channel: delivered, to be tried again later, or failed for good."""

from typing import Literal, NamedTuple


class Outcome(NamedTuple):
    """`detail` says why in a few words, without anything of what was sent; `seconds` is a wish for the next try.

    One that is no try was held back: nobody was called, and it takes nothing from the number of tries.
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
