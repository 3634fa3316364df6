"""What the demo shows: a line for each function with its pods now and through the last minute, and what happens."""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Iterable
from datetime import UTC, datetime

from rich.console import Console, Group, RenderableType
from rich.live import Live
from rich.padding import Padding
from rich.table import Table
from rich.text import Text

from knative.cluster.pods import Ledger, Life

_MARKS = {"starting": ("◌", "yellow"), "ready": ("●", "green"), "leaving": ("○", "bright_black")}
_HAPPENINGS = 7
_SAMPLE_SECONDS = 1.0


class View:
    """Shown while its context is entered: in place in a terminal, elsewhere as lines of what changed."""

    def __init__(self, console: Console, ledger: Ledger, functions: Iterable[str]) -> None:
        self._console = console
        self._ledger = ledger
        self._functions = sorted(functions)
        self._begun = datetime.now(UTC)
        self._happenings: deque[Text] = deque(maxlen=_HAPPENINGS)
        self._history = {name: deque[str](maxlen=240) for name in self._functions}
        self._sampled = 0.0
        self._before: dict[str, str] = {}
        self._live = Live(console=console, auto_refresh=False, screen=False, transient=True)

    def __enter__(self) -> View:
        if self._console.is_terminal:
            self._live.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._live.stop()

    def say(self, what: str, *, style: str = "") -> None:
        """Something that happened."""
        at = f"{(datetime.now(UTC) - self._begun).total_seconds():6.1f} s  "
        self._happenings.append(Text.assemble((at, "bright_black"), (what, style)))
        if not self._console.is_terminal:
            self._console.print(f"{at}{what}")
        self.refresh()

    def refresh(self) -> None:
        """Show how things are now; to be called a few times a second."""
        living = self._by_function()
        if time.monotonic() - self._sampled >= _SAMPLE_SECONDS:
            self._sampled = time.monotonic()
            for name in self._functions:
                self._history[name].append(_worst(living[name]))
        if self._console.is_terminal:
            self._live.update(self._page(living), refresh=True)
            return
        for name in self._functions:
            now = ", ".join(life.state for life in living[name]) or "zero"
            if self._before.get(name, "zero") != now:
                at = (datetime.now(UTC) - self._begun).total_seconds()
                self._console.print(f"{at:6.1f} s    {name}: {now}")
            self._before[name] = now

    def _by_function(self) -> dict[str, list[Life]]:
        living = self._ledger.living()
        return {name: [life for life in living if life.function == name] for name in self._functions}

    def _page(self, living: dict[str, list[Life]]) -> RenderableType:
        now = datetime.now(UTC)
        table = Table(box=None, header_style="bold", pad_edge=False, expand=True)
        table.add_column("function", no_wrap=True)
        table.add_column("pods", no_wrap=True, min_width=6)
        table.add_column("the last minutes", ratio=1, no_wrap=True)
        for heading in ("woken", "ready after", "pod-seconds"):
            table.add_column(heading, justify="right", no_wrap=True)
        room = max(10, self._console.width - 76)
        for name in self._functions:
            lives = self._ledger.lives(name)
            ready = [
                (life.ready - life.asked).total_seconds() for life in lives if life.ready and life.asked > self._begun
            ]
            seconds = self._ledger.pod_seconds(name, since=self._begun, until=now)
            table.add_row(
                Text(name, style="" if living[name] else "bright_black"),
                _pods(living[name]),
                _strip(list(self._history[name])[-room:]),
                str(len([life for life in lives if life.asked > self._begun]) or ""),
                f"{ready[-1]:.1f} s" if ready else "",
                f"{seconds:.0f}" if seconds else "",
            )
        return Group(self._headline(living, now), Padding(table, (1, 0)), *self._happenings, Text(""), _legend())

    def _headline(self, living: dict[str, list[Life]], now: datetime) -> Text:
        pods = sum(len([life for life in lives if not life.told]) for lives in living.values())
        leaving = sum(len(lives) for lives in living.values()) - pods
        spent = self._ledger.pod_seconds(since=self._begun, until=now)
        kept = len(self._functions) * (now - self._begun).total_seconds()
        return Text.assemble(
            (f" {pods} ", "bold white on green" if pods else "bold black on bright_black"),
            (" pods" if pods != 1 else " pod", "bold"),
            (f", {leaving} leaving" if leaving else "", "bright_black"),
            f"   {spent:.0f} pod-seconds in {(now - self._begun).total_seconds():.0f} s",
            (f"   kept warm: {kept:.0f}", "bright_black"),
        )


def _pods(lives: list[Life]) -> Text:
    if not lives:
        return Text("zero", style="bright_black")
    return Text.assemble(*((f"{mark} ", style) for mark, style in (_MARKS[life.state] for life in lives)))


def _worst(lives: list[Life]) -> str:
    """One letter for a second: how awake a function was."""
    states = {life.state for life in lives}
    return next((state for state in ("ready", "starting", "leaving") if state in states), "")


def _strip(samples: list[str]) -> Text:
    shapes = {
        "ready": ("█", "green"),
        "starting": ("▄", "yellow"),
        "leaving": ("▁", "bright_black"),
        "": ("·", "grey23"),
    }
    return Text.assemble(*(shapes[sample] for sample in samples))


def _legend() -> Text:
    parts: list[tuple[str, str] | str] = []
    for state, (mark, style) in _MARKS.items():
        parts += [(mark, style), (f" {state}   ", "bright_black")]
    return Text.assemble(*parts, ("Ctrl-C ends it and tidies up", "bright_black"))
