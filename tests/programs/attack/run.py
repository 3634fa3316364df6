"""One run: everything is started, then for each attack a quiet time, the attack, and the time until it has drained."""

import logging
import tempfile
import time
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from tests.programs.attack.aftermath import drained, fired_late, take_away
from tests.programs.attack.assault import assault
from tests.programs.attack.attacks.registry import ATTACKS, EVERYTHING, PART, about
from tests.programs.attack.children import context, started, stopped
from tests.programs.attack.figures import Fault, Window, broken, summary
from tests.programs.attack.report import Round
from tests.programs.attack.stage import Failed, Stage

_PROGRESS_SECONDS = 10.0
_PREPARING_SECONDS = 90.0
_WARMING_SECONDS = 120.0  # from zero, on a busy machine
_ENDING_SECONDS = 30.0  # for an attack to notice that it is over


@dataclass(frozen=True, kw_only=True)
class Plan:
    """Which attacks, in this order; how long each takes, the quiet before it, and at most what follows (seconds)."""

    names: tuple[str, ...]
    seed: int
    seconds: float
    quiet: float
    patience: float


def run(plan: Plan, log: Path) -> list[Round]:
    """Every attack of the plan, measured. `log` gets what the functions write. Raises Failed."""
    for noisy in ("kafka", "urllib3", "waitress"):
        logging.getLogger(noisy).setLevel(logging.CRITICAL)
    with tempfile.TemporaryDirectory(prefix="taskmaster-attack-") as name:
        home = Path(name)
        home.chmod(0o711)  # as root, PostgreSQL runs as another user and must get there
        stage = Stage(home, log)
        with stage.running():
            say("everything is up; the other user is at work")
            _warm(stage)
            rounds = _Rounds(stage, plan)
            return [found for name in plan.names for found in rounds.of(name)]


class _Rounds:
    """The rounds of a run, one after the other."""

    def __init__(self, stage: Stage, plan: Plan) -> None:
        self._stage = stage
        self._plan = plan
        self._calm: Window | None = None  # what she saw before an attack, when nothing of another was under way

    def of(self, name: str) -> Iterable[Round]:
        """One round, or two: where calls were slow and all else is well, that may be chance, and is measured again."""
        first = self._round(name, name)
        yield first
        if first.may_be_chance:
            yield self._round(name, f"{name} again")

    def _round(self, name: str, title: str) -> Round:
        stage, plan = self._stage, self._plan
        users = {each: f"mallory of {each} in {title}" for each in (ATTACKS if name == EVERYTHING else [name])}
        say(f"{title}: {about(name)}")
        quiet = time.time()
        time.sleep(plan.quiet)
        prepared = time.time()
        begun, counts, failures = _assault(stage, plan, users, scale=PART if name == EVERYTHING else 1.0)
        ended = time.time()
        take_away(stage, users.values())
        seconds, left = drained(stage, within=plan.patience)
        alone = self._calm or _settled(stage, quiet, prepared, 5.0)
        attacked = _settled(stage, begun, ended, plan.patience)
        if any(fault.kind == "late" for fault in broken(alone, attacked)):
            say(f"  dispatch fired hers at most {fired_late(stage, begun, ended):.1f} s late, the rest is delivery")
        take_away(stage, users.values())  # what was put off while the rest drained
        # What did not drain is still there in the next quiet time, which then says nothing.
        self._calm = alone if left else None
        if left:
            failures.append(f"after {seconds:.0f} s there still was: {left}")
        faults = [*broken(alone, attacked), *(Fault("lost", failure) for failure in failures)]
        found = Round(name=title, alone=alone, attacked=attacked, drained_seconds=seconds, broken=faults, counts=counts)
        say(f"{title}: {'holds' if not faults else 'FAILS: ' + '; '.join(fault.text for fault in faults)}")
        return found


def _assault(
    stage: Stage, plan: Plan, users: dict[str, str], *, scale: float
) -> tuple[float, dict[str, int], list[str]]:
    """Attack for as long as the plan says; when that began, what was counted, and why an attack failed that did."""
    answers, theirs = context.Pipe(duplex=False)
    ready, over = context.Event(), context.Event()
    targets = {name: stage.target(user) for name, user in users.items()}
    process = started(assault, targets, plan.seed, scale, theirs, ready, over, name="assault")
    theirs.close()
    begun = time.time()
    try:
        if not ready.wait(_PREPARING_SECONDS):
            return begun, {}, ["the attack did not begin"]
        begun = time.time()
        while (took := time.time() - begun) < plan.seconds and process.is_alive():
            time.sleep(min(_PROGRESS_SECONDS, max(0.1, plan.seconds - took)))
            _progress(stage, begun)
        over.set()
        if not answers.poll(_ENDING_SECONDS):
            return begun, {}, ["the attack did not end"]
        counts, failures = answers.recv()
        say("  " + ", ".join(f"{count} {what}" for what, count in sorted(counts.items())))
        return begun, counts, [failure.strip().splitlines()[-1] for failure in failures]
    except EOFError:
        return begun, {}, ["the attackers' process has died"]
    finally:
        over.set()
        stopped(process)


def _warm(stage: Stage) -> None:
    """Wait until her functions have started, and what waited for them has come. Raises Failed."""
    deadline = time.monotonic() + _WARMING_SECONDS
    while True:
        time.sleep(1)
        now = time.time()
        window = stage.window(now - 9, now - 5)  # she looks for a successor after three seconds
        late = summary(window.reminders)
        if window.is_complete and late.number > 4 and late.most < 1:
            return
        if time.monotonic() > deadline:
            raise Failed(f"before any attack reminders were {late.most:.1f} s late: {window}")


def _settled(stage: Stage, begin: float, end: float, patience: float) -> Window:
    """What she saw then, once everything has come, or will not any more."""
    deadline = time.monotonic() + patience
    while not (window := stage.window(begin, end)).is_complete and time.monotonic() < deadline:
        time.sleep(0.5)
    return window


def _progress(stage: Stage, begun: float) -> None:
    window = stage.window(begun, time.time())
    late, calls = summary(window.reminders), summary(call.seconds for call in window.calls)
    say(
        f"  {time.time() - begun:4.0f} s: {late.number} reminders, at most {late.most:.2f} s late, "
        f"{calls.number} calls, p95 {calls.p95 * 1000:.0f} ms, {window.unanswered} under way"
    )


def say(text: str) -> None:
    print(f"attack: {text}", flush=True)
