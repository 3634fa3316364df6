"""Whoever attacks: a user with a token, clients of a bounded number and pace, and a way to Kafka."""

import json
import random
import threading
import time
from collections import Counter
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from multiprocessing.synchronize import Event
from pathlib import Path
from typing import Any
from uuid import uuid4

import requests
from kafka import KafkaProducer

from tests.programs.attack.surroundings import Switches
from tests.support.receiver import SECRET

Json = dict[str, Any]
_TIMEOUT = 10.0
_SECONDS_A_TASK = 0.2  # to create one with fifty reminders, at most, on a busy machine


@dataclass(frozen=True, kw_only=True)
class Target:
    """What an attacker knows: the https address and its certificate's authority, the broker, a token of its own.

    `status` is where the stand-in says on which ports the functions listen, `certificate` what its own servers show.
    """

    url: str
    status: str
    bundle: Path
    certificate: Path
    bootstrap_servers: str
    user: str
    token: str
    issuer: str
    switches: Switches


class Enemy:
    """One attack under way. `scale` is how much of it: 1 alone, less with others. `over` says when to stop.

    `begun` is set by `begin`: what an attack prepares before is not part of what is measured.
    """

    def __init__(self, target: Target, *, seed: int, scale: float, over: Event) -> None:
        self.target = target
        self.begun = threading.Event()
        self.chance = random.Random(f"{seed} {target.user}")
        self.scale = scale
        self.over = over
        self.counts: Counter[str] = Counter()
        self._here = threading.local()
        self._producer: KafkaProducer | None = None

    def begin(self) -> None:
        """From now on it is measured."""
        self.begun.set()

    def close(self) -> None:
        if self._producer is not None:
            self._producer.close(timeout=2)

    def scaled(self, count: int) -> int:
        return max(1, round(count * self.scale))

    # By HTTPS ---------------------------------------------------------------------------------------------------

    def call(self, method: str, path: str, body: Any = None, *, token: str = "", **headers: str) -> Json:
        """The answer's body, or nothing; counted by its status."""
        sent = {"Authorization": f"Bearer {token or self.target.token}"}
        sent |= {name.replace("_", "-"): value for name, value in headers.items()}
        try:
            answer = self._session().request(method, self.target.url + path, json=body, headers=sent, timeout=_TIMEOUT)
        except requests.RequestException as error:
            self.counts[type(error).__name__] += 1
            self._here.session = None
            return {}
        self.counts[f"{method} {answer.status_code}"] += 1
        return dict(answer.json()) if answer.ok and answer.content else {}

    def held(self, connections: int) -> None:
        """Note how many connections a hostile receiver held. Raises RuntimeError for none: alone that was no attack."""
        self.counts["connections held"] = connections
        if not connections and self.scale == 1:
            raise RuntimeError("nobody called the hostile receiver")

    def prefer(self, *channels: Json, **preferences: Any) -> None:
        self.call("PUT", "/preferences", {"channels": list(channels), **preferences})

    def remind(self, tasks: int, each: int) -> list[int]:
        """Create tasks with so many reminders each, all due within one second, soon after the last is there; their ids.

        One more, due tomorrow, says how long that will take.
        """
        count, begun = self.scaled(tasks), time.monotonic()
        self.call("POST", "/tasks", reminding(datetime.now(UTC) + timedelta(days=1), each))
        seconds = min(time.monotonic() - begun, _SECONDS_A_TASK)
        task = reminding(datetime.now(UTC) + timedelta(seconds=1.5 + seconds * count / 2), each)
        with ThreadPoolExecutor(4) as side_by_side:
            made = side_by_side.map(lambda _: self.call("POST", "/tasks", task), range(count))
            return [each["task_id"] for each in made if each]

    def keep(self, work: Callable[[], object], *, clients: int = 1, pause: float = 0.0) -> None:
        """Do it again and again, in so many threads, until it is over."""

        def go_on() -> None:
            while not self.over.is_set():
                work()
                self.over.wait(pause)

        with ThreadPoolExecutor(clients) as side_by_side:
            for done in [side_by_side.submit(go_on) for _ in range(clients)]:
                done.result()

    def at_once(self, *works: Callable[[], None]) -> None:
        """Do all of this side by side; each ends by itself when it is over."""
        with ThreadPoolExecutor(len(works)) as side_by_side:
            for done in [side_by_side.submit(work) for work in works]:
                done.result()

    def wait(self, seconds: float = 86_400) -> None:
        self.over.wait(seconds)

    def _session(self) -> requests.Session:
        if getattr(self._here, "session", None) is None:
            session = self._here.session = requests.Session()
            session.trust_env = False
            session.verify = str(self.target.bundle)
        found: requests.Session = self._here.session
        return found

    # By Kafka ---------------------------------------------------------------------------------------------------

    def event(self, topic: str, event_type: str, data: Any, *, key: str = "") -> None:
        """A CloudEvent in binary mode."""
        headers = {
            "ce_specversion": "1.0",
            "ce_id": str(uuid4()),
            "ce_source": "/attack",
            "ce_type": event_type,
            "ce_userid": self.target.user,
            "content-type": "application/json",
        }
        self.record(topic, json.dumps(data).encode(), key=key, headers=headers)

    def envelope(self, topic: str, event_type: str, data: Any, **members: str) -> None:
        """The original JSON envelope, without headers."""
        envelope = {"event_id": str(uuid4()), "event_type": event_type, "user_id": self.target.user, "data": data}
        self.record(topic, json.dumps({**envelope, **members}).encode())

    def record(self, topic: str, value: bytes, *, key: str = "", headers: dict[str, str] | None = None) -> None:
        if self._producer is None:
            self._producer = KafkaProducer(
                bootstrap_servers=self.target.bootstrap_servers, acks="all", enable_idempotence=False, batch_size=0
            )
        self.counts[f"records on {topic}"] += 1
        sent = [(name, text.encode()) for name, text in (headers or {}).items()]
        self._producer.send(topic, value=value, key=(key or self.target.user).encode(), headers=sent)

    def paced(self, work: Callable[[], object], *, a_second: float) -> None:
        """Do it so often, until it is over; what was missed is not made up for."""
        every, due = 1 / (a_second * self.scale), time.monotonic()
        while not self.over.is_set():
            work()
            due = max(due + every, time.monotonic() - every)
            self.over.wait(max(0.0, due - time.monotonic()))


def reminding(begin: datetime, count: int) -> Json:
    """A task with so many reminders, all of them within the second after `begin`."""
    moments = [(begin + timedelta(seconds=number / count)).isoformat() for number in range(count)]
    due = (begin + timedelta(days=1)).isoformat()
    return {"title": "ring", "due_at": due, "time_zone": "UTC", "reminders": moments}


def webhook(url: str) -> Json:
    """A channel of a user's preferences."""
    return {"type": "webhook", "url": url, "secret": SECRET}
