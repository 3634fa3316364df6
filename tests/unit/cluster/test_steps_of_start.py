"""The steps of a start are told from the processes in the cgroups of its pod."""

import io
import sys
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from rich.console import Console

from knative.cluster.pods import Life
from tests.cluster.steps_of_start import (
    ANSWER,
    CONTAINER,
    DECISION,
    QUEUE_PROXY,
    SANDBOX,
    SCHEDULING,
    Start,
    shares,
    steps,
)

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="nodes of Kubernetes are Linux")

UID = "506585d6-0476-426f-843e-1aa3ab847a6b"
STEPS = (DECISION, SCHEDULING, SANDBOX, CONTAINER, QUEUE_PROXY, ANSWER)
BEGUN = datetime.now(UTC)
BOOTED = BEGUN.timestamp() - 1000


@pytest.fixture(autouse=True)
def _booted(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(time, "clock_gettime", lambda clock: time.time() - BOOTED)


def process(root: Path, pid: int, name: str, *, after: float, uid: str = UID) -> None:
    """One that began so many seconds after the call did."""
    directory = root / str(pid)
    directory.mkdir(parents=True)
    (directory / "cgroup").write_text(f"8:pids:/kubepods/burstable/pod{uid}/{pid:064x}\n")
    ticks = round((1000 + after) * 100)
    (directory / "stat").write_text(f"{pid} ({name}) S 1 {' '.join('0' * 17)} {ticks} 0\n")


def life(*, scheduled: float | None = 0.15) -> Life:
    when = None if scheduled is None else BEGUN + timedelta(seconds=scheduled)
    asked = BEGUN + timedelta(seconds=0.1)
    return Life(pod="create-task-1", uid=UID, function="create-task", asked=asked, scheduled=when)


@pytest.mark.parametrize("uid", [UID, UID.replace("-", "_")])
def test_each_step_lasts_until_the_next_begins(tmp_path: Path, uid: str) -> None:
    process(tmp_path, 10, "pause", after=0.4, uid=uid)
    process(tmp_path, 11, "python (a b)", after=0.5, uid=uid)
    process(tmp_path, 12, "queue", after=0.55, uid=uid)
    process(tmp_path, 13, "python", after=0.9, uid=uid)  # the publisher
    process(tmp_path, 14, "python", after=0.0, uid="506585d6-another")
    found = steps(life(), begun=BEGUN, milliseconds=1000, root=tmp_path)
    expected = {DECISION: 100, SCHEDULING: 50, SANDBOX: 250, CONTAINER: 100, QUEUE_PROXY: 50, ANSWER: 450}
    assert found == pytest.approx(expected, abs=11)
    assert sum(found.values()) == pytest.approx(1000)


def test_what_is_told_is_the_median_of_each_step() -> None:
    one, two = (dict.fromkeys(STEPS, milliseconds) for milliseconds in (100.0, 300.0))
    known = [Start(milliseconds=600, steps=one), Start(milliseconds=600, steps=two), Start(milliseconds=9, steps={})]
    console = Console(width=80, record=True, file=io.StringIO())
    console.print(shares({"a hello world": known, "create-task": known}))
    lines = console.export_text().splitlines()
    assert lines[1].split() == ["a", "hello", "world", "create-task"]
    assert [line.rsplit(None, 2)[1:] for line in lines[2:]] == [["200", "200"]] * len(STEPS)
    console.print(shares({"a hello world": known, "on another machine": known[2:]}))
    assert "200" not in console.export_text()


def test_of_a_pod_on_another_machine_nothing_is_told(tmp_path: Path) -> None:
    assert steps(life(), begun=BEGUN, milliseconds=1000, root=tmp_path) == {}
    process(tmp_path, 10, "pause", after=0.4)
    process(tmp_path, 11, "python", after=0.5)
    assert steps(life(scheduled=None), begun=BEGUN, milliseconds=1000, root=tmp_path) == {}
