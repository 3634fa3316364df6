"""One run: everything is started, asked, hurt, left to come to rest, and written down."""

import contextlib
import json
import logging
import platform
import random
import shutil
import tempfile
import threading
import time
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import asdict, dataclass
from pathlib import Path

from knative.local.dapr.side import KNATIVE, REDIS
from tests.programs.chaos.adversary import Adversary
from tests.programs.chaos.generator import DEVICES, WAYS, Device, Known
from tests.programs.chaos.history import Log, read
from tests.programs.chaos.link import Link, kafka_client
from tests.programs.chaos.rebuilt import write_both
from tests.programs.chaos.receiver import SECRET, Receiver
from tests.programs.chaos.senders import Senders
from tests.programs.chaos.settle import come_to_rest, export, keep_a_ledger
from tests.programs.chaos.storyteller import tell_stories
from tests.programs.chaos.transports import OnKafka, OnRedis, Transport
from tests.programs.chaos.victims import Database, Kafka, StandIn

USERS = ("ada", "grace", "edsger", "barbara", "tony", "frances", "leslie", "donald")
_ROOT = Path(__file__).parents[3]
_PROGRESS_SECONDS = 10.0


@dataclass(frozen=True, kw_only=True)
class Plan:
    """What a run is to be: so many commands over so many seconds, and what follows from the seed.

    `settling` is how many seconds everything has to come to rest afterwards, `stories` how many are told then, and
    `transport` a broker of the stand-in's.
    """

    transport: str
    seed: int
    seconds: float
    commands: int
    settling: float
    stories: int


class _Stage:
    """Everything that runs, in the order of its start."""

    def __init__(self, plan: Plan, directory: Path, home: Path) -> None:
        self.kind = plan.transport
        self.database = Database(home / "database")
        self.kafka = None if plan.transport == REDIS else Kafka(home / "kafka")
        self.receiver = Receiver(Log(directory / "deliveries.jsonl"))
        self.commands = Log(directory / "commands.jsonl")
        self.faults = Log(directory / "faults.jsonl")
        self._directory = directory
        self._home = home
        self.to_database: Link
        self.to_kafka: Link | None = None
        self.stand_in: StandIn

    @contextlib.contextmanager
    def running(self) -> Iterator[None]:
        with contextlib.ExitStack() as stack:
            with ThreadPoolExecutor(2) as both:
                starting = [both.submit(self.database.start)]
                stack.callback(self.database.stop)
                if self.kafka is not None:
                    # The link's port is in what Kafka is started with.
                    self.to_kafka = Link(self.kafka.behind, whose=kafka_client)
                    self.kafka.link_port = self.to_kafka.port
                    starting.append(both.submit(self.kafka.start))
                    stack.callback(self.kafka.stop)
            for each in starting:
                each.result()
            self.to_database = Link(self.database.server.port)
            for link in (self.to_database, *([self.to_kafka] if self.to_kafka else [])):
                link.start()
                stack.callback(link.stop)
            self.receiver.start()
            stack.callback(self.receiver.stop)
            self.stand_in = StandIn(
                state=self._home / "stand-in",
                database_url=self.database.url(self.to_database.port),
                broker=self.kind,
                bootstrap_servers=self.kafka.linked if self.kafka else "",
                log=self._directory / "stand-in.log",
            )
            self.transport: Transport = OnKafka(self.kafka) if self.kafka else OnRedis(self.stand_in)
            stack.callback(self.stand_in.stop)
            self.stand_in.start()
            yield

    @property
    def database_url(self) -> str:
        """By no link."""
        return self.database.server.url

    def tokens(self) -> dict[str, str]:
        """A token for each user, of the stand-in's identity provider."""
        return {user: self.stand_in.token(user) for user in USERS}


def run(plan: Plan, directory: Path) -> None:
    """Make a history of such a run in the directory."""
    for noisy in ("kafka", "urllib3"):
        logging.getLogger(noisy).setLevel(logging.CRITICAL)
    directory.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix="taskmaster-chaos-") as name:
        home = Path(name)
        home.chmod(0o711)  # as root, PostgreSQL runs as another user and must get there
        stage = _Stage(plan, directory, home)
        try:
            with stage.running():
                keep_a_ledger(stage.database_url)
                _act(stage, plan, directory)
        finally:  # what the parts said goes with the history
            for log in (*([stage.kafka.log] if stage.kafka else []), home / "database" / "postgres" / "postgres.log"):
                with contextlib.suppress(FileNotFoundError):
                    shutil.copy(log, directory)


def _act(stage: _Stage, plan: Plan, directory: Path) -> None:
    done: Counter[str] = Counter()
    senders = Senders(
        url=stage.stand_in.url,
        producer=stage.transport.producer,
        tokens=stage.tokens(),
        log=stage.commands,
        over=(over := threading.Event()),
    )
    adversary = Adversary(
        seed=plan.seed,
        stand_in=stage.stand_in,
        database=stage.database,
        to_database=stage.to_database,
        kafka=stage.kafka,
        to_kafka=stage.to_kafka,
        has_dapr=stage.kind != KNATIVE,
        log=stage.faults,
    )
    peace = threading.Event()
    begun = time.time()
    _say(f"everything is up; {plan.commands} commands over {plan.seconds:.0f} s")
    with ThreadPoolExecutor(len(USERS) * DEVICES + 1) as everybody:
        devices = [
            everybody.submit(
                device.run,
                plan.commands // (len(USERS) * DEVICES) + (number < plan.commands % (len(USERS) * DEVICES)),
                seconds=plan.seconds,
                done=lambda: done.update(["commands"]),
                over=over,
            )
            for number, device in enumerate(_devices(stage, senders, plan))
        ]
        enemy = everybody.submit(adversary.run, peace)
        try:
            _watch(devices, enemy, done, adversary, begun, plan)
            peace.set()
            for each in (enemy, *devices):
                each.result()  # what was broken is whole again, and everybody has an answer
        except BaseException:
            peace.set()
            over.set()  # nobody waits any longer for an answer
            raise
    senders.close()
    stage.stand_in.wait_until_up()
    peaceful = time.time()
    _say(f"peace after {peaceful - begun:.0f} s and {sum(adversary.counts.values())} faults; coming to rest")
    settled = come_to_rest(
        database_url=stage.database_url,
        transport=stage.transport,
        stand_in=stage.stand_in,
        wake=lambda: senders.read(USERS[0], "/tasks?limit=1"),
        seconds=plan.settling,
    )
    _say("at rest; reading everything" if settled else "NOT AT REST in time; reading everything nevertheless")
    export(directory, database_url=stage.database_url, transport=stage.transport)
    _say("making the tasks anew from their events, telling stories")
    write_both(directory, environment=stage.stand_in.environment(), database_url=stage.database_url)
    sent = dict.fromkeys(entry["command"] for entry in read(directory / "commands.jsonl"))
    tell_stories(
        directory,
        environment=stage.stand_in.environment(),
        of=list(sent),
        most=plan.stories,
        chance=random.Random(plan.seed),
    )
    told = {
        **asdict(plan),
        "started": begun,
        "peace": peaceful,
        "ended": time.time(),
        "settled": settled,
        "settling_took": time.time() - peaceful,
        "faults": dict(adversary.counts),
        "stand_in_starts": stage.stand_in.starts,
        "python": platform.python_version(),
    }
    (directory / "run.json").write_text(json.dumps(told, indent=2) + "\n")


def _devices(stage: _Stage, senders: Senders, plan: Plan) -> Iterator[Device]:
    for user in USERS:
        known = Known()
        for number in range(DEVICES):
            webhook = {"type": "webhook", "url": stage.receiver.url(user), "secret": SECRET}
            yield Device(
                f"{user}-{number}",
                user=user,
                others=[other for other in USERS if other != user],
                known=known,
                senders=senders,
                seed=plan.seed,
                ways=WAYS[number],
                webhook=webhook if number == 0 else None,
            )


def _watch(
    devices: list[Future[None]],
    enemy: Future[None],
    done: Counter[str],
    adversary: Adversary,
    begun: float,
    plan: Plan,
) -> None:
    """Say how it goes until every command is sent and the time is over; raise what the adversary raises."""
    said = time.monotonic()
    while not all(device.done() for device in devices) or time.time() < begun + plan.seconds:
        if enemy.done():
            enemy.result()
        for device in devices:
            if device.done():
                device.result()
        if time.monotonic() - said > _PROGRESS_SECONDS:
            said = time.monotonic()
            faults = sum(adversary.counts.values())
            _say(f"{time.time() - begun:4.0f} s: {done['commands']} of {plan.commands} commands, {faults} faults")
        time.sleep(0.2)


def _say(text: str) -> None:
    print(f"chaos: {text}", flush=True)
