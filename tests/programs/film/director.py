"""Who tells the story of the film: acts on the pages at a pace that a person can follow, and proves each sentence."""

import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from typing import Any, TypeVar

from knative.demo.story import NotTrue
from knative.local.up import Platform
from tests.browser.conftest import Visitor
from tests.programs.film.footage import Footage, Track

Found = TypeVar("Found")

_LOOK_SECONDS = 0.04
_READ_SECONDS = 1.2  # for a sentence, and so much more for each letter
_LETTER_SECONDS = 0.026
# A dot where the mouse is. Styles that a script sets are none of what the page's policy forbids (CSP Level 3, 6.1.14).
_POINTER = """() => {
  const dot = document.createElement("div");
  dot.ariaHidden = "true";
  Object.assign(dot.style, {position: "fixed", zIndex: 9, width: "22px", height: "22px", margin: "-11px", left: "60%",
    top: "110%", borderRadius: "50%", background: "rgb(238 187 109 / 75%)", border: "2px solid rgb(35 26 8 / 60%)",
    pointerEvents: "none", transition: "left .4s, top .4s, scale .12s, opacity .4s"});
  document.body.append(dot);
  let timer;
  const go = ({clientX: x, clientY: y}) => {
    Object.assign(dot.style, {left: `${x}px`, top: `${y}px`, opacity: 1});
    clearTimeout(timer);
    timer = setTimeout(() => Object.assign(dot.style, {opacity: 0}), 1500);
  };
  addEventListener("mousemove", go);
  addEventListener("mousedown", () => Object.assign(dot.style, {scale: 0.6}));
  addEventListener("mouseup", () => Object.assign(dot.style, {scale: 1}));
}"""


class Director:
    """`desk` and `phone` are pages of one person, once they are opened."""

    desk: Visitor
    phone: Visitor

    def __init__(self, platform: Platform, footage: Footage, idle: Any) -> None:
        """`idle` is any page: while it waits, Playwright hands on the pictures of all."""
        self.platform, self.footage, self._idle = platform, footage, idle
        self._calls = ThreadPoolExecutor(1)
        self.action()

    def action(self) -> None:
        """The film begins here, and not before."""
        self.footage.rates = [(time.time(), 1.0)]

    def tell(self, sentence: str, *, holds: bool, but: str = "it is not so") -> None:
        """Show a sentence, long enough to be read. Raises NotTrue, and shows nothing, unless it holds."""
        self._show(sentence, self.footage.said, self.footage.card, holds, but)

    def card(self, text: str, *, holds: bool, but: str = "it is not so") -> None:
        """The same, over the whole picture: its first line is a title."""
        self._show(text, self.footage.card, self.footage.said, holds, but)

    def _show(self, text: str, on: Track, instead_of: Track, holds: bool, but: str) -> None:
        if not holds:
            raise NotTrue(f"“{text}”: {but}")
        print(f"  {text}")
        on.append((time.time(), text))
        instead_of.append((time.time(), ""))
        self.wait(_READ_SECONDS + _LETTER_SECONDS * len(text))

    def wait(self, seconds: float) -> None:
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            self._look()

    def until(self, what: str, find: Callable[[], Found | None], within: float = 20) -> Found:
        """What `find` finds, once it does. Raises NotTrue after so many seconds."""
        end = time.monotonic() + within
        while not (found := find()):
            if time.monotonic() > end:
                raise NotTrue(f"{what}: not within {within:.0f} s")
            self._look()
        return found

    def meanwhile(self, run: Callable[[], Found]) -> Found:
        """What `run` returns, which may take a while; the pages go on."""
        running = self._calls.submit(run)
        self.until("the answer", running.done, within=60)
        return running.result()

    @contextmanager
    def faster(self, times: float) -> Iterator[None]:
        """The film runs so many times as fast, and says so."""
        self.footage.rates.append((time.time(), times))
        try:
            yield
        finally:
            self.footage.rates.append((time.time(), 1.0))

    def arrive(self, name: str, visitor: Visitor) -> Visitor:
        """A page that is in the picture from now on."""
        visitor.page.evaluate(_POINTER)
        self.footage.record(name, visitor.page)
        return visitor

    def leave(self, name: str, visitor: Visitor) -> None:
        """A page that nobody looks at any longer."""
        visitor.become("hidden")
        self.footage.end(name, time.time())

    def click(self, visitor: Visitor, locator: Any) -> None:
        locator.scroll_into_view_if_needed()
        box = locator.bounding_box()
        at = box["x"] + min(box["width"] / 2, 60), box["y"] + box["height"] / 2
        visitor.page.mouse.move(*at)
        self.wait(0.5)
        visitor.page.mouse.down()
        self.wait(0.12)
        visitor.page.mouse.up()

    def write(self, visitor: Visitor, locator: Any, text: str) -> None:
        self.click(visitor, locator)
        for letter in text:
            visitor.page.keyboard.type(letter)
            self.wait(0.03)

    def count_pods(self) -> int:
        return sum(len(self.platform.pods(name)) for name in self.platform.report())

    def _look(self) -> None:
        self._idle.wait_for_timeout(_LOOK_SECONDS * 1000)
        count = self.count_pods()
        shown = f"{count} {'pod' if count == 1 else 'pods'}"
        if not self.footage.pods or self.footage.pods[-1][1] != shown:
            self.footage.pods.append((time.time(), shown))
