"""The clock of one module, in the hands of a test."""

from types import ModuleType, SimpleNamespace

import pytest


class MonotonicClock:
    """What a module has in the place of `time.monotonic`: seconds, which pass as the test says."""

    def __init__(self) -> None:
        self.seconds = 1_000_000.0

    def on(self, seconds: float) -> None:
        self.seconds += seconds


def clock_of(module: ModuleType, monkeypatch: pytest.MonkeyPatch) -> MonotonicClock:
    """Give a module that asks for nothing else of `time` such a clock."""
    clock = MonotonicClock()
    monkeypatch.setattr(module, "time", SimpleNamespace(monotonic=lambda: clock.seconds))
    return clock
