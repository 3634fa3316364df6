"""How soon the page is painted and shows its tasks where nothing is kept from an earlier visit, in Chromium.

Browser, functions, PostgreSQL and broker share the machine.
"""

import statistics
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from functools import partial
from typing import Any, NamedTuple

import requests

from knative.local.up import Platform
from tests.programs.bench.contenders import Wrong
from tests.programs.bench.report import Figure, Section, Step
from tests.programs.bench.surroundings import chromium, fall_asleep, stand_in

_USER = "ada"
_TASKS = 30
# In milliseconds from the start of the navigation.
_PAINTED = """() => new Promise((resolve) => new PerformanceObserver((list) =>
  list.getEntriesByName("first-contentful-paint").forEach((each) =>
    resolve([performance.getEntriesByType("navigation")[0].responseEnd, each.startTime]))
).observe({type: "paint", buffered: true}))"""
# By the clock: the link leads through documents of the sign-in.
_NOTE_TASKS = """new MutationObserver((_, observer) => {
  if (!document.querySelector(".task .title")) return;
  observer.disconnect();
  requestAnimationFrame(() => { window.shown = Date.now(); });
}).observe(document, {subtree: true, childList: true})"""
_TRANSFERRED = """() => [...performance.getEntriesByType("navigation"), ...performance.getEntriesByType("resource")]
  .reduce((sum, each) => sum + each.transferSize, 0)"""


class _Opened(NamedTuple):
    """Milliseconds. `document` and `painted` are of somebody who is not signed in."""

    document: float
    painted: float
    shown: float


def measure(step: Step, *, rounds: int = 9) -> Section:
    """Raises Absent where there is no browser, Wrong where no task is shown."""
    with ExitStack() as stack:
        browser = stack.enter_context(chromium())
        step("starting the platform and a browser")
        platform = stack.enter_context(stand_in())
        _create_tasks(platform)
        transferred = _transferred(platform, browser)
        awake = [_opened(platform, browser, lambda: None) for _ in range(rounds)]
        asleep = []
        for number in range(rounds):
            step(f"from zero, {number + 1} of {rounds}")
            asleep.append(_opened(platform, browser, partial(fall_asleep, platform)))
    behind = statistics.median(each.painted - each.document for each in asleep)
    return Section(
        title="Opening the page",
        how=f"A browser that has kept nothing opens the page, {rounds} times while functions are awake and {rounds}"
        " times with all at zero, where the document is a start of show-page: from the start of the navigation until it"
        f" is there, and until something is painted. Another one follows the link of the terminal to {_TASKS} tasks.",
        figures=[
            *_medians("awake", awake),
            *_medians("from zero", asleep),
            Figure(what="from zero: the first paint, behind the document", value=behind, unit="ms", goal=300),
            Figure(what="a first visit loads", value=transferred / 1000, unit="kB", goal=100),
        ],
    )


def _medians(when: str, opened: Sequence[_Opened]) -> list[Figure]:
    names = {"document": "the document", "painted": "the first paint", "shown": "signed in, and the tasks are seen"}
    return [
        Figure(
            what=f"{when}: {name}, median", value=statistics.median(getattr(each, field) for each in opened), unit="ms"
        )
        for field, name in names.items()
    ]


def _create_tasks(platform: Platform) -> None:
    headers = {"Authorization": f"Bearer {platform.token(_USER)}"}
    for number in range(_TASKS):
        answer = requests.post(f"{platform.url}/tasks", json={"title": f"number {number}"}, headers=headers, timeout=30)
        if answer.status_code != 201:
            raise Wrong(f"POST /tasks was answered {answer.status_code}")


def _opened(platform: Platform, browser: Any, before_each: Callable[[], None]) -> _Opened:
    before_each()
    with _new_page(browser) as page:
        page.goto(platform.url, wait_until="commit")
        document, painted = page.evaluate(_PAINTED)
    before_each()
    with _new_page(browser) as page:
        page.add_init_script(_NOTE_TASKS)
        begun = time.time() * 1000
        page.goto(platform.link(_USER), wait_until="commit")
        page.locator(".task .title").first.wait_for()
        return _Opened(document, painted, page.evaluate("() => window.shown") - begun)


def _transferred(platform: Platform, browser: Any) -> float:
    """The bytes of everything that a first visit loads, headers included."""
    with _new_page(browser) as page:
        page.goto(platform.url, wait_until="networkidle")
        transferred: float = page.evaluate(_TRANSFERRED)
        return transferred


@contextmanager
def _new_page(browser: Any) -> Iterator[Any]:
    """Of a browser that has kept nothing. Raises Wrong for what does not happen within half a minute."""
    from playwright.sync_api import Error

    context = browser.new_context()
    try:
        yield context.new_page()
    except Error as error:
        raise Wrong(str(error)) from None
    finally:
        context.close()
