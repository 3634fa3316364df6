"""The lateness of 1,000 reminders in 20 s, on the whole stand-in: from the moment each is meant for to its webhook.

Two shapes: as many tasks as reminders, of twenty users; and fifty reminders on each of twenty tasks, whose events go
out one behind the other. Functions start from zero, and the receiver, the load and the platform share the machine.
"""

import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from datetime import datetime, timedelta

from tests.platform.user import User
from tests.programs.bench.contenders import Wrong
from tests.programs.bench.report import Figure, Section, Step, percentile
from tests.programs.bench.surroundings import fall_asleep, stand_in
from tests.support.brokers import Kafka
from tests.support.receiver import SECRET, Receiver

_USERS = 20
_AHEAD = timedelta(hours=2)  # travelled over once everything is created, until shortly before the first alarm
_ALARM = timedelta(seconds=15)
_GOAL = 1000.0  # milliseconds: what the 99th percentile is to stay below


def measure(step: Step, *, reminders: int = 1000, seconds: int = 20) -> Section:
    """`reminders` in each shape, a multiple of 20, spread over so many seconds."""
    apart = timedelta(seconds=seconds) / reminders
    shapes = {
        f"{reminders:,} tasks of {_USERS} users, one reminder each": _one_each,
        f"{_USERS} tasks, {reminders // _USERS} reminders each": _many_each,
    }
    figures: list[Figure] = []
    for shape, create in shapes.items():
        step(shape)
        late = _measure(shape, create, reminders, apart)
        for name, share, goal in (("median", 0.5, None), ("p99", 0.99, _GOAL), ("latest", 1.0, None)):
            milliseconds = percentile(late, share) * 1000
            figures.append(Figure(what=f"{shape}: {name}", value=milliseconds, unit="ms late", goal=goal))
    return Section(
        title="Reminders",
        how=f"{reminders:,} reminders in {seconds} s on the whole stand-in, which is at zero before: from the moment"
        " that each is meant for to the call of its webhook. Each came, and once.",
        figures=figures,
    )


Create = Callable[[list[User], list[datetime]], None]


def _measure(shape: str, create: Create, count: int, apart: timedelta) -> list[float]:
    """Seconds of lateness. On a platform of its own, so that no shape finds functions awake."""
    with Receiver() as receiver, stand_in() as platform, ExitStack() as stack:
        kafka = Kafka({"KAFKA_BOOTSTRAP_SERVERS": platform.bootstrap_servers})
        users = [stack.enter_context(User.of(platform, kafka, f"user-{number}")) for number in range(_USERS)]
        for user in users:
            user.call("PUT", "/preferences", {"channels": [{"type": "webhook", "url": receiver.url, "secret": SECRET}]})
        start = platform.clock.now() + _AHEAD
        moments = [start + apart * number for number in range(count)]
        create(users, moments)
        fall_asleep(platform)
        platform.travel(start - platform.clock.now() - _ALARM)
        receiver.travelled = platform.clock.offset
        deadline = time.monotonic() + (moments[-1] - platform.clock.now()).total_seconds() + 60
        while len(receiver.rung) < count and time.monotonic() < deadline:
            time.sleep(0.2)
        time.sleep(2)  # for one that came twice
        repeated = sum(receiver.rung.values()) - len(receiver.rung)
        if len(receiver.rung) != count or repeated:
            raise Wrong(f"{shape}: {len(receiver.rung)} of {count} reminders came, {repeated} of them again")
        return list(receiver.late)


def _one_each(users: list[User], moments: list[datetime]) -> None:
    def create(user: User, own: list[datetime]) -> None:
        for moment in own:
            _created(user, moment, None)

    with ThreadPoolExecutor(8) as side_by_side:
        list(side_by_side.map(create, users, [moments[number :: len(users)] for number in range(len(users))]))


def _many_each(users: list[User], moments: list[datetime]) -> None:
    for number, user in enumerate(users):
        own = moments[number :: len(users)]
        _created(user, moments[-1] + timedelta(days=1), [moment.isoformat() for moment in own])


def _created(user: User, due: datetime, reminders: list[str] | None) -> None:
    task = {"title": "ring", "due_at": due.isoformat(), "time_zone": "UTC", "reminders": reminders}
    answer = user.call("POST", "/tasks", task)
    if answer.status_code != 201:
        raise Wrong(f"create-task answered {answer.status_code}: {answer.text}")
