"""The adversary: a seeded sequence of kills, pauses and broken connections, each undone before the next.

In its first round every kind of fault comes once; after that each comes as often as its share says.
"""

import contextlib
import os
import random
import signal
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from functools import partial

from tests.programs.chaos.history import Log
from tests.programs.chaos.link import Fault, Link
from tests.programs.chaos.victims import Database, Kafka, StandIn, alive, children, signal_group, wait_for

_BETWEEN = (0.3, 2.5)  # seconds from one fault's end to the next
_STAND_IN = "kafka-source-"  # what the client ids of its consumers begin with
_DAPRD = ""  # everybody but the generator goes by the link there
_FUNCTIONS = "taskmaster"  # and those of the functions' producers
_ORPHANS_GO_WITHIN = 10.0  # seconds


class Adversary:
    """`run` goes on until `over`; `counts` says how often what was done."""

    def __init__(
        self,
        *,
        seed: int,
        stand_in: StandIn,
        database: Database,
        to_database: Link,
        kafka: Kafka | None,
        to_kafka: Link | None,
        has_dapr: bool,
        log: Log,
    ) -> None:
        """Without a Kafka the broker is the Redis of the stand-in. With Dapr its parts are among the victims."""
        self.counts: Counter[str] = Counter()
        self._chance = random.Random(f"{seed} adversary")
        self._stand_in = stand_in
        self._database = database
        self._to_database = to_database
        self._log = log
        self._shares: dict[Callable[[], None], int] = {
            self.kill_a_function: 8,
            self.kill_a_function_with_its_publisher: 3,
            self.kill_a_publisher: 2,
            self.pause_a_function: 3,
            self.kill_the_stand_in: 1,
            self.pause_the_stand_in: 1,
            self.kill_the_database: 2,
            self.kill_a_backend: 2,
            self.pause_the_database: 1,
            self.cut_functions_from_the_database: 2,
            self.refuse_functions_at_the_database: 1,
            self.slow_the_database: 1,
            self.hold_the_database: 1,
        }
        if kafka is not None and to_kafka is not None:
            self._kafka, self._to_kafka = kafka, to_kafka
            self._shares |= {
                self.kill_the_broker: 1,
                self.pause_the_broker: 1,
                self.cut_the_stand_in_from_the_broker: 2,
                self.refuse_the_stand_in_at_the_broker: 1,
                self.hold_the_stand_in_at_the_broker: 1,
                self.slow_the_broker: 1,
            }
        self._deliverer = _DAPRD if has_dapr else _STAND_IN
        if has_dapr:
            parts = ("daprd", "bridge", "scheduler", *(("redis",) if kafka is None else ()))
            self._shares |= {partial(self.kill_beside, part): 2 for part in parts}
            self._shares |= {partial(self.pause_beside, part): 1 for part in parts}
        else:
            self._shares |= {
                self.cut_functions_from_the_broker: 2,
                self.refuse_functions_at_the_broker: 1,
                self.hold_functions_at_the_broker: 1,
            }

    def run(self, over: threading.Event) -> None:
        for fault in self._sequence():
            if over.wait(self._chance.uniform(*_BETWEEN)):
                return
            fault()

    def _sequence(self) -> Iterator[Callable[[], None]]:
        each_once = list(self._shares)
        self._chance.shuffle(each_once)
        yield from each_once
        while True:
            yield self._chance.choices(list(self._shares), list(self._shares.values()))[0]

    # Functions --------------------------------------------------------------------------------------------------

    def kill_a_function(self) -> None:
        """In mid-request, if any is; its publisher's process finds itself alone, finishes and ends."""
        if pod := self._stand_in.pod(self._chance):
            self._note("kill", "function", name=pod[0], pid=pod[1])
            _kill(pod[1])

    def kill_a_function_with_its_publisher(self) -> None:
        if pod := self._stand_in.pod(self._chance):
            self._note("kill", "function and its publisher", name=pod[0], pid=pod[1])
            signal_group(pod[1], signal.SIGKILL)

    def kill_a_publisher(self) -> None:
        if (pod := self._stand_in.pod(self._chance)) and (publishers := children(pod[1])):
            self._note("kill", "publisher", name=pod[0], pid=publishers[0])
            _kill(publishers[0])

    def pause_a_function(self) -> None:
        if pod := self._stand_in.pod(self._chance):
            seconds = self._chance.uniform(1, 8)
            self._note("pause", "function", name=pod[0], pid=pod[1], seconds=seconds)
            signal_group(pod[1], signal.SIGSTOP)
            time.sleep(seconds)
            if pod[1] in self._stand_in.pods():
                signal_group(pod[1], signal.SIGCONT)

    # The stand-in -----------------------------------------------------------------------------------------------

    def kill_the_stand_in(self) -> None:
        self._note("kill", "stand-in")
        pods = self._stand_in.kill()
        if not wait_for(lambda: not any(alive(pid) for pid in pods), _ORPHANS_GO_WITHIN):
            self._note("orphans", "stand-in", pids=[pid for pid in pods if alive(pid)])
        time.sleep(self._chance.uniform(0, 2))
        self._stand_in.revive()
        self._stand_in.wait_until_up()

    def pause_the_stand_in(self) -> None:
        with self._paused("stand-in", self._stand_in.pause, self._stand_in.resume):
            time.sleep(self._chance.uniform(1, 7))

    # Dapr -------------------------------------------------------------------------------------------------------

    def kill_beside(self, part: str) -> None:
        """The stand-in starts it again, as Kubernetes would."""
        if pid := self._stand_in.beside(part):
            self._note("kill", part)
            _kill(pid)

    def pause_beside(self, part: str) -> None:
        if pid := self._stand_in.beside(part):
            seconds = self._chance.uniform(1, 7)
            self._note("pause", part, seconds=seconds)
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGSTOP)
                time.sleep(seconds)
                os.kill(pid, signal.SIGCONT)

    # The broker -------------------------------------------------------------------------------------------------

    def kill_the_broker(self) -> None:
        self._note("kill", "broker")
        self._kafka.kill()
        with self._gone(self._to_kafka):
            time.sleep(self._chance.uniform(0, 3))
            self._kafka.start_whatever_it_takes()

    def pause_the_broker(self) -> None:
        with self._paused("broker", self._kafka.pause, self._kafka.resume):
            time.sleep(self._chance.uniform(1, 8))

    # PostgreSQL -------------------------------------------------------------------------------------------------

    def kill_the_database(self) -> None:
        self._note("kill", "database")
        self._database.kill()
        with self._gone(self._to_database):
            time.sleep(self._chance.uniform(0, 3))
            self._database.start()

    def kill_a_backend(self) -> None:
        self._note("kill", "database backend")
        self._database.kill_one(self._chance)

    def pause_the_database(self) -> None:
        with self._paused("database", self._database.pause, self._database.resume):
            time.sleep(self._chance.uniform(1, 7))

    # Connections ------------------------------------------------------------------------------------------------

    def cut_functions_from_the_database(self) -> None:
        self._note("cut", "functions - database", connections=self._to_database.cut())

    def cut_functions_from_the_broker(self) -> None:
        self._note("cut", "functions - broker", connections=self._to_kafka.cut(_FUNCTIONS))

    def cut_the_stand_in_from_the_broker(self) -> None:
        self._note("cut", "stand-in - broker", connections=self._to_kafka.cut(self._deliverer))

    def refuse_functions_at_the_database(self) -> None:
        self._refuse("functions - database", self._to_database, "")

    def refuse_functions_at_the_broker(self) -> None:
        self._refuse("functions - broker", self._to_kafka, _FUNCTIONS)

    def refuse_the_stand_in_at_the_broker(self) -> None:
        self._refuse("stand-in - broker", self._to_kafka, self._deliverer)

    def hold_the_database(self) -> None:
        self._hold("functions - database", self._to_database, "")

    def hold_functions_at_the_broker(self) -> None:
        self._hold("functions - broker", self._to_kafka, _FUNCTIONS)

    def hold_the_stand_in_at_the_broker(self) -> None:
        self._hold("stand-in - broker", self._to_kafka, self._deliverer)

    def slow_the_database(self) -> None:
        self._slow("functions - database", self._to_database)

    def slow_the_broker(self) -> None:
        self._slow("everybody - broker", self._to_kafka)

    def _refuse(self, whom: str, link: Link, whose: str) -> None:
        seconds = self._chance.uniform(0.5, 5)
        self._note("refuse", whom, seconds=seconds)
        with link.during(Fault(whose=whose, refused=True)):
            link.cut(whose)
            time.sleep(seconds)

    def _hold(self, whom: str, link: Link, whose: str) -> None:
        seconds = self._chance.uniform(1, 8)
        self._note("hold", whom, seconds=seconds)
        with link.during(Fault(whose=whose, held=True)):
            time.sleep(seconds)
            if self._chance.random() < 0.5:
                link.cut(whose)  # what was on its way is lost

    def _slow(self, whom: str, link: Link) -> None:
        delay, seconds = self._chance.uniform(0.01, 0.15), self._chance.uniform(2, 6)
        self._note("slow", whom, delay=delay, seconds=seconds)
        with link.during(Fault(delay=delay)):
            time.sleep(seconds)

    def _gone(self, link: Link) -> contextlib.AbstractContextManager[None]:
        """What is dead is not there; or its proxy still is, accepts, and hangs up."""
        return link.gone() if self._chance.random() < 0.5 else contextlib.nullcontext()

    @contextlib.contextmanager
    def _paused(self, whom: str, pause: Callable[[], None], resume: Callable[[], None]) -> Iterator[None]:
        self._note("pause", whom)
        pause()
        try:
            yield
        finally:
            resume()

    def _note(self, what: str, whom: str, **more: object) -> None:
        if what != "orphans":
            self.counts[f"{what} {whom}"] += 1
        self._log.write(at=time.time(), what=what, whom=whom, **more)


def _kill(pid: int) -> None:
    with contextlib.suppress(ProcessLookupError):
        os.kill(pid, signal.SIGKILL)
