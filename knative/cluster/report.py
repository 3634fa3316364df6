"""Pages for people: starts from zero side by side, and what every function's pods lived."""

from __future__ import annotations

import statistics
from collections.abc import Mapping, Sequence
from datetime import datetime

from rich.table import Table

from knative.cluster.pods import Ledger


def starts(measured: Mapping[str, Sequence[float]]) -> Table:
    """Milliseconds from zero to the answer, by what answered."""
    table = Table(title="From zero to the first answer, ms", title_justify="left", box=None, header_style="bold")
    table.add_column("", no_wrap=True)
    for heading in ("starts", "median", "fastest", "slowest"):
        table.add_column(heading, justify="right")
    for what, taken in measured.items():
        figures = (statistics.median(taken), min(taken), max(taken))
        table.add_row(what, str(len(taken)), *(f"{figure:,.0f}" for figure in figures))
    return table


def lives(ledger: Ledger, *, since: datetime, until: datetime) -> Table:
    """By function: pods, how long they took to be ready, and the pod-seconds of that time, terminating included."""
    table = Table(box=None, header_style="bold", pad_edge=False)
    table.add_column("function", no_wrap=True)
    for heading in ("pods", "ready after", "of which serving", "pod-seconds"):
        table.add_column(heading, justify="right")
    total, pods = 0.0, 0
    for function in sorted({life.function for life in ledger.lives()}):
        all_of_it = ledger.lives(function)
        ready = [(life.ready - life.asked).total_seconds() for life in all_of_it if life.ready]
        serving = sum(((life.told or until) - life.ready).total_seconds() for life in all_of_it if life.ready)
        seconds = ledger.pod_seconds(function, since=since, until=until)
        total, pods = total + seconds, pods + len(all_of_it)
        ready_after = f"{statistics.median(ready):.1f} s" if ready else "-"
        table.add_row(function, str(len(all_of_it)), ready_after, f"{serving:.0f} s", f"{seconds:.0f}")
    table.add_section()
    minutes = (until - since).total_seconds() / 60
    table.add_row(f"all, in {minutes:.1f} minutes", str(pods), "", "", f"{total:.0f}", style="bold")
    return table


def lateness(seconds: float) -> str:
    """A sentence about a reminder."""
    return f"The reminder came {seconds * 1000:.0f} ms after its moment."
