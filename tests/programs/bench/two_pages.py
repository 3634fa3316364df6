"""How soon a change in one page is seen in another, in Chromium; and how soon no pod is left once nobody looks.

Both pages are of one person, in browsers of their own. From zero means that both were hidden until no pod was left, are
shown at once, and one of them sends a task in the same moment. Browsers, functions, PostgreSQL and broker share the
machine.
"""

import statistics
import time
from contextlib import ExitStack

from knative.local.up import Platform
from tests.browser.conftest import Visitor, visiting
from tests.browser.timing import between
from tests.programs.bench.contenders import Wrong
from tests.programs.bench.report import Figure, Section, Step, percentile
from tests.programs.bench.surroundings import chromium, stand_in

_LONGEST_TO_ZERO = 120.0  # seconds


def measure(step: Step, *, warm: int = 40, from_zero: int = 5) -> Section:
    """Raises Absent where there is no browser, Wrong where a change is not seen."""
    with ExitStack() as stack:
        browser = stack.enter_context(chromium())
        from playwright.sync_api import Error

        step("starting the platform and two browsers")
        platform = stack.enter_context(stand_in())
        one, other = (stack.enter_context(visiting(platform, browser, user="ada")) for _ in range(2))
        try:
            _seen(one, other, "the first")
            awake, asleep, slept = [], [], []
            for number in range(warm):
                step(f"warm, {number + 1} of {warm}")
                awake.append(_seen(one, other, f"warm {number}"))
                one.page.wait_for_timeout(100)
            for number in range(from_zero):
                step(f"from zero, {number + 1} of {from_zero}")
                slept.append(_to_zero(platform, one, other))
                for page in (other, one):
                    page.become("visible")
                asleep.append(_seen(one, other, f"from zero {number}"))
        except Error as error:
            raise Wrong(str(error)) from None
    return Section(
        title="Two pages",
        how=f"A task is added in one page, {warm} times while functions are awake and {from_zero} times after both"
        " pages were hidden until no pod was left: from its Enter until the other page has painted it.",
        figures=[
            Figure(what="awake, median", value=statistics.median(awake), unit="ms"),
            Figure(what="awake, p95", value=percentile(awake, 0.95), unit="ms", goal=500),
            Figure(what="all asleep, median", value=statistics.median(asleep), unit="ms"),
            Figure(what="all asleep, slowest", value=max(asleep), unit="ms", goal=2000),
            Figure(
                what="from the last page that is hidden until no pod is left, slowest",
                value=max(slept),
                unit="s",
                goal=40,
            ),
        ],
    )


def _seen(one: Visitor, other: Visitor, title: str) -> float:
    """In milliseconds."""
    one.page.get_by_label("New task").fill(title)
    return 1000 * between(one.page, other.page, title, lambda: one.page.get_by_label("New task").press("Enter"))


def _to_zero(platform: Platform, *pages: Visitor) -> float:
    """Hide the pages; after how many seconds no pod is left, those that drain included."""
    for page in pages:
        page.become("hidden")
    begun = time.monotonic()
    if not platform.wait_for_zero(_LONGEST_TO_ZERO):
        raise Wrong(f"a function is awake {_LONGEST_TO_ZERO:.0f} s after the last page was hidden")
    return time.monotonic() - begun
