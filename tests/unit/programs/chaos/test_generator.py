"""What a device asks: the same for the same seed, of every kind, and under names of its own."""

import threading
from collections import Counter
from typing import Any, cast

from tests.programs.chaos.generator import WAYS, Device, Known
from tests.programs.chaos.senders import Command, Json, Senders, record_of


class AnsweringAtOnce:
    """In place of the senders: everything takes effect, and is remembered."""

    def __init__(self) -> None:
        self.asked: list[Command] = []
        self._lock = threading.Lock()

    def settle(self, command: Command, *, tries: int | None = None) -> Json:
        with self._lock:
            self.asked.append(command)
            number = len(self.asked)
        if command.by != "rest" or command.operation == "delete":
            return {"status": 204}
        task = {"task_id": command.task or number, "completed": command.operation == "complete"}
        return {"status": 200, "body": {"recurrence_pattern": None, "due_at": None, **command.fields, **task}}

    def read(self, user: str, path: str) -> Json:
        return {"tasks": []}


def ask(seed: int, *, device: int = 0, count: int = 400) -> list[Command]:
    senders = AnsweringAtOnce()
    ada = Device(
        f"ada-{device}",
        user="ada",
        others=["grace"],
        known=Known(),
        senders=cast(Senders, senders),
        seed=seed,
        ways=WAYS[device],
        webhook=None,
    )
    ada.run(count, seconds=0, done=lambda: None, over=threading.Event())
    return senders.asked


def told(commands: list[Command]) -> list[tuple[Any, ...]]:
    return [(c.command, c.operation, c.by, c.user, c.task, c.key, c.expect) for c in commands]


def test_the_same_seed_asks_the_same_and_another_does_not() -> None:
    assert told(ask(7)) == told(ask(7))
    assert told(ask(7)) != told(ask(8))


def test_by_either_way_there_is_something_of_every_kind() -> None:
    for device in (0, 1):
        commands = ask(7, device=device)
        assert {command.operation for command in commands} >= {"create", "poison"}
        assert {command.expect for command in commands} == {"effect", "refusal", "dead-letter"}
        keyed = Counter(command.key for command in commands if command.key)
        assert max(keyed.values()) > 1, "some are sent again"
    people = ask(7)
    assert {command.operation for command in people} >= {"update", "complete", "reopen", "delete"}
    assert any(command.key is None for command in people)
    assert not all(command.signed for command in people)


def test_a_poison_record_has_its_name_in_it_whatever_else_is_wrong() -> None:
    poison = [command for command in ask(7, count=1000) if command.expect == "dead-letter"]
    assert len({command.fields["kind"] for command in poison}) == 7
    for command in poison:
        assert command.record is not None
        assert command.command.encode() in command.record.value or command.record.headers["ce_id"] == command.command


def test_a_record_says_the_same_at_every_try() -> None:
    for command in ask(7, device=1):
        if command.expect == "effect" and command.by != "rest":
            assert record_of(command) == record_of(command)
