"""The people and programs of a run: each sends its seeded share of commands, and asks again until it has an answer.

A user has two devices, so that commands of one user cross each other. What is asked follows from the seed; of which
task, from what was answered so far too.
"""

import random
import threading
import time
from collections import deque
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from typing import Any, Literal

from tests.programs.chaos.poison import poison
from tests.programs.chaos.senders import By, Command, Json, Senders

_LOOK_EVERY = 6  # commands of a device between two looks at what is there
_SOON = (4.0, 25.0)  # seconds ahead that a reminder is due

# How often what is asked, in parts of all.
_SHARES = {
    "create": 15,
    "create recurring": 9,
    "create with a reminder": 9,
    "update": 18,
    "move": 3,
    "complete": 8,
    "complete recurring": 13,
    "skip": 3,
    "reopen": 7,
    "delete": 5,
    "poison": 5,
    "stranger": 4,
    "another under the same key": 2,
}
# A user's devices are not alike: where the broker is away, people still write.
WAYS: tuple[dict[By, int], ...] = ({"rest": 100}, {"rest": 10, "cloudevent": 60, "envelope": 30})
DEVICES = len(WAYS)
_AGAIN = 0.12  # of the commands are sent again after their answer
_AT_ONCE = 0.04  # are sent twice at the same time
_UNKEYED = 0.08  # of those by REST come without a key, and are not sent again whatever happens

_PATTERNS = ("daily", "weekly", "monthly", "FREQ=DAILY;COUNT=3")

Kind = Literal["plain", "recurring", "ending", "reminder"]
_KINDS: tuple[Kind, ...] = ("plain", "recurring", "ending", "reminder")


@dataclass
class Known:
    """What a user knows of its tasks; shared by its devices."""

    lock: threading.Lock = field(default_factory=threading.Lock)
    kinds: dict[int, Kind] = field(default_factory=dict)
    open: set[int] = field(default_factory=set)

    def learn(self, task: Json) -> None:
        kind: Kind = "plain"
        if task["recurrence_pattern"]:
            kind = "ending" if "COUNT" in task["recurrence_pattern"] else "recurring"
        elif task["due_at"]:
            kind = "reminder"
        with self.lock:
            self.kinds[task["task_id"]] = kind
            (self.open.discard if task["completed"] else self.open.add)(task["task_id"])

    def forget(self, task_id: int) -> None:
        with self.lock:
            self.kinds.pop(task_id, None)
            self.open.discard(task_id)

    def some(self, chance: random.Random, *kinds: Kind, completed: bool | None = None) -> int | None:
        """One of the latest tasks of these kinds."""
        with self.lock:
            found = [task for task, kind in self.kinds.items() if kind in kinds]
            if completed is not None:
                found = [task for task in found if (task not in self.open) == completed]
        return chance.choice(sorted(found)[-30:]) if found else None


class Device:
    """One of a user's devices; `run` is its life in a thread of its own."""

    def __init__(
        self,
        name: str,
        *,
        user: str,
        others: list[str],
        known: Known,
        senders: Senders,
        seed: int,
        ways: dict[By, int],
        webhook: Json | None,
    ) -> None:
        self._name = f"{seed}-{name}"
        self._user = user
        self._others = others
        self._known = known
        self._senders = senders
        self._chance = random.Random(f"{seed} {name}")
        self._ways = ways
        self._webhook = webhook
        self._numbers = 0
        self._repeats: deque[Command] = deque(maxlen=20)
        self._answered: list[Command] = []
        self._side_by_side = ThreadPoolExecutor(2)

    def run(self, count: int, *, seconds: float, done: Callable[[], None], over: threading.Event) -> None:
        """Send so many commands over so many seconds, later where answers keep it waiting."""
        if self._webhook is not None:
            self._settle(self._command("preferences", by="rest", fields={"channels": [self._webhook]}))
        begun = time.monotonic()
        for number in range(count):
            over.wait(begun + seconds * (number + self._chance.random()) / count - time.monotonic())
            if over.is_set():
                break
            if number % _LOOK_EVERY == _LOOK_EVERY - 1:
                self._look()
            self._send(self._next())
            done()
        self._side_by_side.shutdown()

    def _send(self, command: Command) -> None:
        if command.key is None:
            self._settle(command, tries=1)
            return
        if command.expect == "effect" and self._chance.random() < _AT_ONCE:
            list(self._side_by_side.map(self._settle, [command, command]))
        elif not self._settle(command):
            return
        if command.expect == "effect" and command.by == "rest":
            self._answered.append(command)
        if self._chance.random() < _AGAIN:
            self._repeats.append(command)
        if self._repeats and self._chance.random() < _AGAIN:
            self._settle(self._repeats.popleft())

    def _settle(self, command: Command, *, tries: int | None = None) -> bool:
        answer = self._senders.settle(command, tries=tries)
        if answer is None:
            return False
        body = answer.get("body") or {}
        if command.expect == "effect" and "task_id" in body:
            self._known.learn(body)
        elif command.operation == "delete" and command.task and answer["status"] in (0, 204):
            self._known.forget(command.task)
        return True

    def _look(self) -> None:
        """What others of this user made, what came by Kafka, and what follows in series."""
        page = self._senders.read(self._user, "/tasks?sort=-created_at&limit=60")
        for task in (page or {}).get("tasks", ()):
            self._known.learn(task)

    # What to ask ------------------------------------------------------------------------------------------------

    def _next(self) -> Command:
        chance, known = self._chance, self._known
        asked = chance.choices(list(_SHARES), list(_SHARES.values()))[0]
        task: int | None = None
        match asked:
            case "create recurring":
                return self._create(
                    due_on="2090-01-31", recurrence_pattern=chance.choice(["daily", "weekly", "monthly"])
                )
            case "create with a reminder":
                return self._create_with_reminder()
            case "poison":
                return self._poison()
            case "stranger":
                return self._stranger() or self._create()
            case "another under the same key":
                return self._mismatch() or self._create()
            case "move" if task := known.some(chance, "reminder", completed=False):
                return self._command(
                    "update", task=task, fields={"description": self._marker(), "due_at": self._soon()}
                )
            case "update" if task := known.some(chance, *_KINDS):
                return self._command("update", task=task, fields={"description": self._marker()})
            case "complete" if task := known.some(chance, "plain", "reminder", completed=False):
                return self._command("complete", task=task)
            case "complete recurring" if task := known.some(chance, "recurring", "ending", completed=False):
                return self._command("complete", task=task)
            case "skip" if task := known.some(chance, "recurring"):
                return self._command("skip", task=task)
            case "reopen" if task := known.some(chance, "plain", "recurring", "ending", completed=True):
                return self._command("reopen", task=task)
            case "delete" if task := known.some(chance, *_KINDS):
                return self._command("delete", task=task)
        return self._create()

    def _create(self, **fields: Any) -> Command:
        return self._command("create", fields={"title": self._marker(), **fields})

    def _create_with_reminder(self) -> Command:
        reminders = self._chance.choice([None, ["PT2S", "PT0S"]])
        return self._create(due_at=self._soon(), **({"reminders": reminders} if reminders else {}))

    def _soon(self) -> str:
        return (datetime.now(UTC) + timedelta(seconds=self._chance.uniform(*_SOON))).isoformat()

    def _poison(self) -> Command:
        self._numbers += 1
        return poison(f"{self._name}-{self._numbers}", user=self._user, chance=self._chance)

    def _stranger(self) -> Command | None:
        """Somebody else asks for a task of this user's, or nobody in particular does."""
        task = self._known.some(self._chance, "plain", "recurring")
        if task is None or self._chance.random() < 0.3:
            command = self._command("create", by="rest", fields={"title": self._marker()})
            return replace(command, signed=False, expect="refusal", statuses=(401,))
        operation = self._chance.choice(["update", "complete", "delete"])
        fields = {"description": self._marker()} if operation == "update" else {}
        command = self._command(operation, task=task, fields=fields, user=self._chance.choice(self._others))
        return replace(command, key=command.command, expect="refusal", statuses=(404,))

    def _mismatch(self) -> Command | None:
        """Another command under the key of one that was answered."""
        known = [command for command in self._answered if command.operation == "create"]
        if not known:
            return None
        command = self._command("create", by="rest", fields={"title": self._marker()})
        return replace(command, key=self._chance.choice(known[-30:]).key, expect="refusal", statuses=(422,))

    def _command(
        self,
        operation: str,
        *,
        by: By | None = None,
        task: int | None = None,
        fields: Json | None = None,
        user: str = "",
    ) -> Command:
        self._numbers += 1
        name = f"{self._name}-{self._numbers}"
        by = by or self._chance.choices(list(self._ways), list(self._ways.values()))[0]
        keyless = by == "rest" and operation != "preferences" and self._chance.random() < _UNKEYED
        return Command(
            command=name,
            operation=operation,
            by=by,
            user=user or self._user,
            task=task,
            fields=fields or {},
            key=None if keyless else name,
        )

    def _marker(self) -> str:
        """A text that only the command which is made next has."""
        return f"{self._name}-{self._numbers + 1}"
