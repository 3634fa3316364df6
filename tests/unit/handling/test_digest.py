"""What makes two commands the same, however they were written."""

from datetime import datetime
from itertools import combinations
from typing import Any

import pytest
from pydantic import SecretStr, TypeAdapter

from complete_task import CompleteTask
from create_task import CreateTask
from delete_task import DeleteTask
from schedule_next_recurrence import SkipTask, TaskCompleted
from taskmaster.domain.preferences import SetPreferences
from taskmaster.domain.task import Asked, Command
from taskmaster.handling.idempotency import digest_of
from update_task import UpdateTask

_SECRETS = ["whsec_" + "MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw", "whsec_" + "NfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"]


def of(command: type[Asked], sent: dict[str, Any], **preconditions: Any) -> bytes:
    return digest_of("x", command.model_validate(sent), preconditions or None)


@pytest.mark.parametrize(
    ("one", "same"),
    [
        ({"title": "x", "priority": "high"}, {"priority": "high", "title": "x"}),
        ({"title": "x"}, {"title": "x", "priority": "medium", "tags": []}),
        ({"title": "x", "due_at": "2026-11-24T09:00:00Z"}, {"title": "x", "due_at": "2026-11-24T10:00:00.000+01:00"}),
        ({"title": "x"}, {"title": "x", "priority": None, "tags": None, "description": None}),
        ({"title": "\u00fc"}, {"title": "\xfc"}),
    ],
)
def test_how_a_command_is_written_does_not_count(one: dict[str, Any], same: dict[str, Any]) -> None:
    assert of(CreateTask, one) == of(CreateTask, same)


def test_different_commands_are_told_apart() -> None:
    webhook = {"type": "webhook", "url": "https://example.com/"}
    told_apart = [
        of(CreateTask, {"title": "x"}),
        of(CreateTask, {"title": "y"}),
        of(CreateTask, {"title": "x", "tags": ["a", "b"]}),
        of(CreateTask, {"title": "x", "tags": ["b", "a"]}),
        of(CreateTask, {"title": "x", "due_at": "2026-11-24T09:00:00Z"}),
        of(CreateTask, {"title": "x", "due_at": "2026-11-24T09:00:00.000001Z"}),
        of(CreateTask, {"title": "x", "due_on": "2026-11-24"}),
        of(DeleteTask, {"task_id": 1}),
        of(DeleteTask, {"task_id": 1, "scope": "this"}),
        of(DeleteTask, {"task_id": 1, "expected_version": 1}),
        of(DeleteTask, {"task_id": 1}, if_match=["1", "2"]),
        of(TaskCompleted, {"task_id": 1, "version": 3}),
        *(of(SetPreferences, {"channels": [{**webhook, "secret": secret}]}) for secret in _SECRETS),
    ]
    assert all(one != other for one, other in combinations(told_apart, 2))


def test_the_operation_counts() -> None:
    assert digest_of("task.complete", CompleteTask(task_id=1)) != digest_of("task.skip", SkipTask(task_id=1))
    assert digest_of("a", CompleteTask(task_id=1)) != digest_of("b", CompleteTask(task_id=1))


def test_of_a_merge_patch_absent_is_not_null() -> None:
    assert of(UpdateTask, {"task_id": 1}) != of(UpdateTask, {"task_id": 1, "description": None})
    assert of(UpdateTask, {"task_id": 1, "title": "x", "tags": []}) == of(
        UpdateTask, {"tags": [], "title": "x", "task_id": 1}
    )


def test_no_form_of_a_value_makes_two_one() -> None:
    class Hidden(Command):
        secret: SecretStr
        at: datetime | None = None

    assert digest_of("x", Hidden(secret=SecretStr("a"))) != digest_of("x", Hidden(secret=SecretStr("b")))
    assert of(CreateTask, {"title": TypeAdapter(str).validate_json('"\\u00e9"')}) == of(CreateTask, {"title": "é"})
